#pragma once
// Numbers in hexadecimal of fixed width, for ids on the request's way. Not for JSON escapes or general formatting.

#include <bit>
#include <cstdint>
#include <cstring>

namespace sluice {

// The 8 lower-case digits of `value`, as they stand in memory.
//   cost  about 20 instructions, no branch: all digits at once, a byte each
constexpr std::uint64_t hex_digits(std::uint32_t value) {
  std::uint64_t digits = value;  // spread so that each byte holds four bits, the last digit lowest
  digits = (digits << 16 | digits) & 0x0000ffff0000ffff;
  digits = (digits << 8 | digits) & 0x00ff00ff00ff00ff;
  digits = (digits << 4 | digits) & 0x0f0f0f0f0f0f0f0f;
  const std::uint64_t letters = (digits + 0x0606060606060606) >> 4 & 0x0101010101010101;  // 1 where above nine
  digits += 0x3030303030303030 + letters * ('a' - '0' - 10);
  return std::endian::native == std::endian::little ? std::byteswap(digits) : digits;
}

inline constexpr std::size_t hex_bytes = 16;
// Writes hex_bytes digits.
inline void write_hex(std::uint64_t value, char* out) {
  const std::uint64_t text[] = {hex_digits(static_cast<std::uint32_t>(value >> 32)),
                                hex_digits(static_cast<std::uint32_t>(value))};
  std::memcpy(out, text, sizeof text);
}

}  // namespace sluice
