#pragma once
// Which plain scalars are null, booleans and numbers. Not their values: reader.h parses those.

#include <string_view>

#include "config/document.h"

namespace sluice::config {

// YAML 1.2 core schema (section 10.3.2), but a leading zero makes text: nobody agrees what 0777 is.
Kind kind_of_plain(std::string_view text);

}  // namespace sluice::config
