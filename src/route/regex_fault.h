#pragma once
// How a bad regex in a config is told: RE2's words, with the caret under the part it complains about.

#include "config/reader.h"
#include "route/regex.h"

namespace sluice::route {

void report_regex_fault(const config::Node& node, const RegexFault& fault, config::ReadContext& context);

}  // namespace sluice::route
