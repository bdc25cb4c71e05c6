#pragma once
// Quantities as people write them in a config: durations `250ms 5s 24h`, sizes `64KiB 10MB 4096`, rates `100/s`.
// Not arithmetic: the types are plain numbers once read.

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace sluice::config {

struct Size {
  std::uint64_t bytes = 0;
  auto operator<=>(const Size&) const = default;
};

struct Rate {
  std::uint64_t count = 0;
  std::chrono::nanoseconds per = std::chrono::seconds(1);
  bool operator==(const Rate&) const = default;
};

// Each returns the value, or static text that says what is wrong: "has no unit".
//   duration  a whole number and ns, us, ms, s, m, h or d; only 0 may stand alone. Never negative
//   size      a whole number of bytes, or with B, KB, MB, GB, TB (1000) or KiB, MiB, GiB, TiB (1024). At most 2^63-1
//   rate      a whole number, `/`, and s, m, h or d
std::expected<std::chrono::nanoseconds, const char*> parse_duration(std::string_view text);
std::expected<Size, const char*> parse_size(std::string_view text);
std::expected<Rate, const char*> parse_rate(std::string_view text);

// In the largest unit that needs no fraction: "1500ms", "1MiB", "100/s".
std::string format(std::chrono::nanoseconds duration);
std::string format(Size size);
std::string format(Rate rate);

}  // namespace sluice::config
