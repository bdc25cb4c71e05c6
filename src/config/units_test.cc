#include "config/units.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "config/secret.h"

namespace sluice::config {
namespace {

using namespace std::chrono_literals;

std::string duration_error(std::string_view text) {
  const auto parsed = parse_duration(text);
  return parsed ? "" : parsed.error();
}
std::string size_error(std::string_view text) {
  const auto parsed = parse_size(text);
  return parsed ? "" : parsed.error();
}

TEST(Units, ReadsDurations) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("10us"), 10us);
  EXPECT_EQ(parse_duration("7ns"), 7ns);
  EXPECT_EQ(parse_duration("5s"), 5s);
  EXPECT_EQ(parse_duration("1m"), 1min);
  EXPECT_EQ(parse_duration("24h"), 24h);
  EXPECT_EQ(parse_duration("30d"), 720h);
  EXPECT_EQ(parse_duration("0"), 0ns);
  EXPECT_EQ(parse_duration("9223372036854775807ns"), std::chrono::nanoseconds::max());
}

TEST(Units, RefusesDurationsInWords) {
  EXPECT_EQ(duration_error("5"), "has no unit");
  EXPECT_EQ(duration_error("-5s"), "is negative");
  EXPECT_EQ(duration_error("9223372036854775808ns"), "is too large");
  EXPECT_EQ(duration_error("9223372037s"), "is too large");
  EXPECT_EQ(duration_error("999999999999999999999s"), "is too large");
  EXPECT_EQ(duration_error("1.5s"), "is not a whole number; use a smaller unit");
  for (const char* text : {"", "s", "+5s", " 5s"})
    EXPECT_EQ(duration_error(text), "does not begin with a number") << text;
  for (const char* text : {"5S", "5 s", "5sec", "1h30m", "5s "})
    EXPECT_EQ(duration_error(text), "has an unknown unit") << text;
}

TEST(Units, ReadsSizes) {
  EXPECT_EQ(parse_size("4096"), Size{4096});
  EXPECT_EQ(parse_size("64KiB"), Size{65'536});
  EXPECT_EQ(parse_size("1MiB"), Size{1'048'576});
  EXPECT_EQ(parse_size("10MB"), Size{10'000'000});
  EXPECT_EQ(parse_size("0"), Size{0});
  EXPECT_EQ(parse_size("9223372036854775807"), Size{0x7fff'ffff'ffff'ffff});
  EXPECT_EQ(size_error("8388608TiB"), "is too large");
  EXPECT_EQ(size_error("-1"), "is negative");
  EXPECT_EQ(size_error("64K"), "has an unknown unit");
  EXPECT_EQ(size_error("1.5MiB"), "is not a whole number; use a smaller unit");
}

TEST(Units, ReadsRates) {
  EXPECT_EQ(parse_rate("100/s"), (Rate{100, 1s}));
  EXPECT_EQ(parse_rate("5/m"), (Rate{5, 1min}));
  EXPECT_EQ(parse_rate("5/h"), (Rate{5, 1h}));
  for (const char* text : {"100", "100/", "100/ms", "100/x", "/s", "-1/s", "1.5/s"})
    EXPECT_FALSE(parse_rate(text)) << text;
}

TEST(Units, WritesWhatItReads) {
  for (const char* text : {"250ms", "5s", "90s", "24h", "1500us", "7ns"}) {
    EXPECT_EQ(parse_duration(format(*parse_duration(text))), *parse_duration(text)) << text;
  }
  EXPECT_EQ(format(90s), "90s");
  EXPECT_EQ(format(48h), "48h");
  EXPECT_EQ(format(0ns), "0");
  EXPECT_EQ(format(Size{65'536}), "64KiB");
  EXPECT_EQ(format(Size{10'000'001}), "10000001");
  EXPECT_EQ(format(Size{0}), "0");
  EXPECT_EQ(format(Rate{5, 1min}), "5/m");
}

// What would print a secret by accident does not compile.
template <class T>
concept Streams = requires(std::ostream& out, const T& value) { out << value; };
static_assert(!Streams<Secret>);
static_assert(!fmt::is_formattable<Secret>::value);
static_assert(!std::is_convertible_v<Secret, std::string_view>);

TEST(Secret, ComparesByValueAndForgetsWhenMoved) {
  Secret a(std::string("hunter2hunter2hunter2hunter2"));
  EXPECT_TRUE(a.equals("hunter2hunter2hunter2hunter2"));
  EXPECT_FALSE(a.equals("hunter2hunter2hunter2hunter3"));
  EXPECT_FALSE(a.equals("hunter2"));
  const Secret b = std::move(a);
  EXPECT_TRUE(a.is_empty());  // the point of the test: nothing stays behind
  EXPECT_EQ(b.reveal(), "hunter2hunter2hunter2hunter2");
  a = b;
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace sluice::config
