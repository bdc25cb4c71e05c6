#include "policy/key_place.h"

#include <algorithm>

namespace sluice::policy {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// What stays of a list of parts when those that `is_out` accepts are taken out; `between` stands between the others.
template <class IsOut>
std::string_view without(std::string_view list, char separator, std::string_view between, Arena& arena, IsOut is_out) {
  char* const out = arena.allocate_bytes(list.size() + between.size());
  std::size_t size = 0;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(separator), list.size());
    std::string_view part = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    if (is_out(part)) continue;
    if (separator == ';') part.remove_prefix(std::min(part.find_first_not_of(" \t"), part.size()));
    if (size > 0) size += between.copy(out + size, between.size());
    size += part.copy(out + size, part.size());
  }
  return {out, size};
}

}  // namespace

std::string_view decode_form(std::string_view raw, Arena& arena) {
  if (raw.find_first_of("%+") == std::string_view::npos) return raw;
  char* const out = arena.allocate_bytes(raw.size());
  std::size_t size = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const int high = raw[i] == '%' && i + 2 < raw.size() ? hex_digit(raw[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(raw[i + 2]) : -1;
    if (low >= 0) i += 2;
    out[size++] = low >= 0 ? static_cast<char>(high << 4 | low) : raw[i] == '+' ? ' ' : raw[i];
  }
  return {out, size};
}

void remove_query_parameter(http::RequestHead& request, std::string_view name, Arena& arena) {
  bool is_there = false;
  each_query_parameter(request.query, name, arena, [&](std::string_view) { is_there = true; });
  if (!is_there) return;
  request.query = without(request.query, '&', "&", arena, [&](std::string_view pair) {
    return decode_form(pair.substr(0, std::min(pair.find('='), pair.size())), arena) == name;
  });
  request.has_query = !request.query.empty();
}

std::string_view hide_query_parameter(std::string_view text, std::string_view name, Arena& arena) {
  constexpr std::string_view stars = "***";
  std::string_view shown = "";  // what is done
  std::size_t done = 0;
  for (std::size_t at = 0; (at = text.find('=', at)) != std::string_view::npos; ++at) {
    const std::size_t begin = text.find_last_of("?&;", at);
    const std::size_t first = begin == std::string_view::npos ? 0 : begin + 1;
    if (first < done || decode_form(text.substr(first, at - first), arena) != name) continue;
    const std::size_t end = std::min(text.find('&', at), text.size());
    shown = arena.join(shown, text.substr(done, at + 1 - done), stars);
    at = done = end;
    if (end == text.size()) break;
  }
  return done == 0 ? text : arena.join(shown, text.substr(done));
}

void remove_cookie(http::FieldList& fields, std::string_view name, Arena& arena) {
  bool is_there = false;
  each_cookie(fields, name, [&](std::string_view) { is_there = true; });
  if (!is_there) return;
  const auto is_out = [&](std::string_view part) {
    part.remove_prefix(std::min(part.find_first_not_of(" \t"), part.size()));
    return part.substr(0, std::min(part.find('='), part.size())) == name;
  };
  std::string_view left;  // all lines as one: that is what they mean (RFC 9113 section 8.2.3)
  fields.each("cookie", [&](const http::Field& field) {
    const std::string_view kept = without(field.value, ';', "; ", arena, is_out);
    left = left.empty() ? kept : kept.empty() ? left : arena.join(left, "; ", kept);
  });
  if (left.empty()) {
    fields.remove("cookie");
  } else {
    fields.set(arena, "cookie", left);
  }
}

}  // namespace sluice::policy
