#include "control/journal.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <chrono>
#include <string>

namespace sluice::control {

namespace {

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(STDERR_FILENO, text.data(), text.size());
    if (wrote <= 0) return;  // nobody reads: there is no other place to say so
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

}  // namespace

void say(Level level, std::string_view text) {
  constexpr std::string_view names[] = {"info", "warning", "error"};
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  write_all(fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z {}: {}\n",
                        fmt::gmtime(std::chrono::system_clock::to_time_t(second)), (now - second).count(),
                        names[static_cast<unsigned>(level)], text));
}

void say_raw(std::string_view text) { write_all(text); }

}  // namespace sluice::control
