#pragma once
// What the fuzz targets (fuzz.cc, *_fuzz.cc) share: an oracle that says what broke, and the input, whose first bytes
// are knobs and whose rest is the text under test. Not used outside fuzz targets.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace sluice::fuzz {

// Ends the process, so that libFuzzer keeps the input.
inline void require(bool holds, std::string_view promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %.*s\n", static_cast<int>(promise.size()), promise.data());
  std::abort();
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  // 0 when nothing is left.
  std::uint8_t take_byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }
  std::size_t take_number() {
    const std::size_t high = take_byte();
    return high * 256 + take_byte();
  }
  // Up to the next LF, which is dropped.
  std::string_view take_line() {
    const std::size_t end = rest_.find('\n');
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return line;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

// Two places to cut a text and a step, out of five bytes in front of the input.
struct Cuts {
  explicit Cuts(Input& input)
      : step(std::size_t{1} + input.take_byte() % 64u), first(input.take_number()), second(input.take_number()) {}
  std::size_t step, first, second;
};

}  // namespace sluice::fuzz
