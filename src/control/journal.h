#pragma once
// What the gateway says about itself, on standard error: one line an event, with time and level. Not the access log.
// Any thread; a line is one write.

#include <string_view>

namespace sluice::control {

enum class Level : unsigned char { info, warning, error };

void say(Level level, std::string_view text);
// Text of several lines (diagnostics), as it is.
void say_raw(std::string_view text);

}  // namespace sluice::control
