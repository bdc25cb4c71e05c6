#pragma once
// Tells texts of configs apart, and finds a text that has been damaged. Not against forgers.

#include <string>
#include <string_view>

namespace sluice::control {

std::string config_hash(std::string_view text);  // 32 hexadecimal digits: XXH3-128

}  // namespace sluice::control
