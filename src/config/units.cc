#include "config/units.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <span>

namespace sluice::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

constexpr std::int64_t second = 1'000'000'000;
// Largest first: format() takes the first that divides.
constexpr Unit durations[] = {{"d", 86'400 * second}, {"h", 3'600 * second}, {"m", 60 * second}, {"s", second},
                              {"ms", 1'000'000},      {"us", 1'000},         {"ns", 1}};
constexpr Unit sizes[] = {{"TiB", std::int64_t{1} << 40},
                          {"GiB", std::int64_t{1} << 30},
                          {"MiB", std::int64_t{1} << 20},
                          {"KiB", std::int64_t{1} << 10},
                          {"TB", 1'000'000'000'000},
                          {"GB", 1'000'000'000},
                          {"MB", 1'000'000},
                          {"KB", 1'000},
                          {"B", 1}};
constexpr std::size_t binary_sizes = 4;  // the first ones; only these are written

struct Number {
  std::int64_t value;
  std::string_view rest;
};

std::expected<Number, const char*> leading_number(std::string_view text) {
  if (text.starts_with('-')) return std::unexpected("is negative");
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number.value);
  if (error == std::errc::result_out_of_range) return std::unexpected("is too large");
  if (error != std::errc()) return std::unexpected("does not begin with a number");
  number.rest = text.substr(static_cast<std::size_t>(end - text.data()));
  if (number.rest.starts_with('.')) return std::unexpected("is not a whole number; use a smaller unit");
  return number;
}

template <std::size_t N>
std::expected<std::int64_t, const char*> scaled(Number number, const Unit (&units)[N]) {
  for (const Unit& unit : units) {
    if (number.rest != unit.name) continue;
    std::int64_t result = 0;
    if (__builtin_mul_overflow(number.value, unit.factor, &result)) return std::unexpected("is too large");
    return result;
  }
  return std::unexpected("has an unknown unit");
}

}  // namespace

std::expected<std::chrono::nanoseconds, const char*> parse_duration(std::string_view text) {
  const auto number = leading_number(text);
  if (!number) return std::unexpected(number.error());
  if (number->rest.empty()) {
    if (number->value == 0) return std::chrono::nanoseconds(0);
    return std::unexpected("has no unit");
  }
  const auto result = scaled(*number, durations);
  if (!result) return std::unexpected(result.error());
  return std::chrono::nanoseconds(*result);
}

std::expected<Size, const char*> parse_size(std::string_view text) {
  const auto number = leading_number(text);
  if (!number) return std::unexpected(number.error());
  if (number->rest.empty()) return Size{static_cast<std::uint64_t>(number->value)};
  const auto result = scaled(*number, sizes);
  if (!result) return std::unexpected(result.error());
  return Size{static_cast<std::uint64_t>(*result)};
}

std::expected<Rate, const char*> parse_rate(std::string_view text) {
  const auto number = leading_number(text);
  if (!number) return std::unexpected(number.error());
  if (!number->rest.starts_with('/')) return std::unexpected("has no '/' and unit of time");
  const auto per = scaled(Number{1, number->rest.substr(1)}, durations);
  if (!per || *per < second) return std::unexpected("has an unknown unit");
  return Rate{static_cast<std::uint64_t>(number->value), std::chrono::nanoseconds(*per)};
}

std::string format(std::chrono::nanoseconds duration) {
  const std::int64_t count = duration.count();
  if (count == 0) return "0";
  for (const Unit& unit : durations) {
    // Days are read but not written: 24h is how the manual says it.
    if (unit.name != "d" && count % unit.factor == 0) return fmt::format("{}{}", count / unit.factor, unit.name);
  }
  return {};
}

std::string format(Size size) {
  for (const Unit& unit : std::span(sizes).first(binary_sizes)) {
    const auto factor = static_cast<std::uint64_t>(unit.factor);
    if (size.bytes != 0 && size.bytes % factor == 0) return fmt::format("{}{}", size.bytes / factor, unit.name);
  }
  return fmt::format("{}", size.bytes);
}

std::string format(Rate rate) {
  for (const Unit& unit : durations)
    if (unit.factor == rate.per.count()) return fmt::format("{}/{}", rate.count, unit.name);
  return fmt::format("{}/{}", rate.count, format(rate.per));
}

}  // namespace sluice::config
