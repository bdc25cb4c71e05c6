#include "base/hex.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <string>

namespace sluice {
namespace {

TEST(Hex, WritesWhatPrintfDoes) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t value = random() >> (random() % 64);
    char text[hex_bytes], wanted[hex_bytes + 1];
    write_hex(value, text);
    std::snprintf(wanted, sizeof wanted, "%016llx", static_cast<unsigned long long>(value));
    ASSERT_EQ(std::string(text, hex_bytes), wanted);
  }
}

}  // namespace
}  // namespace sluice
