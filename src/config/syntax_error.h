#pragma once
// libyaml's complaints in words that name the remedy, and what it does not check itself: the bytes of the file.
// Not the grammar: that is libyaml's.

#include <yaml.h>

#include <string_view>

#include "config/diagnostic.h"

namespace sluice::config {

// Whether the text is UTF-8 without NUL and control characters; else one diagnostic at the first bad byte.
bool check_characters(std::string_view text, std::uint16_t file, Diagnostics& diagnostics);

// One diagnostic for the error that `parser` stopped at.
void report_syntax_error(const yaml_parser_t& parser, std::uint16_t file, Diagnostics& diagnostics);

}  // namespace sluice::config
