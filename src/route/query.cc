#include "route/query.h"

#include <cstddef>

namespace sluice::route {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Takes one decoded byte off `raw`, which is not empty.
char take_byte(std::string_view& raw) {
  const char c = raw.front();
  if (c == '%' && raw.size() >= 3) {
    const int high = hex_value(raw[1]), low = hex_value(raw[2]);
    if (high >= 0 && low >= 0) {
      raw.remove_prefix(3);
      return static_cast<char>(high * 16 + low);
    }
  }
  raw.remove_prefix(1);
  return c == '+' ? ' ' : c;
}

}  // namespace

QueryParameter take_parameter(std::string_view& query) {
  const std::size_t end = query.find('&');
  const std::string_view one = query.substr(0, end);
  query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
  const std::size_t equals = one.find('=');
  if (equals == std::string_view::npos) return {one, {}};
  return {one.substr(0, equals), one.substr(equals + 1)};
}

bool decodes_to(std::string_view raw, std::string_view plain) {
  if (raw.size() < plain.size()) return false;
  for (const char c : plain)
    if (raw.empty() || take_byte(raw) != c) return false;
  return raw.empty();
}

std::string_view decode(std::string_view raw, Arena& arena) {
  if (raw.find_first_of("%+") == std::string_view::npos) return raw;
  char* const to = arena.allocate_bytes(raw.size());
  std::size_t size = 0;
  while (!raw.empty()) to[size++] = take_byte(raw);
  return {to, size};
}

}  // namespace sluice::route
