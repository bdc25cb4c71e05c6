#include "control/process_environment.h"

#include <fcntl.h>
#include <stdlib.h>

#include <charconv>
#include <string>
#include <string_view>

namespace sluice::control {

void set_inherited(int descriptor, bool is_inherited) { ::fcntl(descriptor, F_SETFD, is_inherited ? 0 : FD_CLOEXEC); }

void put_inherited(const char* variable, int descriptor) { ::setenv(variable, std::to_string(descriptor).c_str(), 1); }

void drop_inherited(const char* variable) { ::unsetenv(variable); }

Descriptor take_inherited(const char* variable) {
  const char* const value = ::getenv(variable);
  if (value == nullptr) return {};
  const std::string_view text(value);
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_open = error == std::errc() && end == text.data() + text.size() && number > 2 &&
                       ::fcntl(number, F_SETFD, FD_CLOEXEC) == 0;
  drop_inherited(variable);
  return is_open ? Descriptor(number) : Descriptor();
}

}  // namespace sluice::control
