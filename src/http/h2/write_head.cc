#include "http/h2/write_head.h"

#include <charconv>
#include <cstring>

#include "http/characters.h"
#include "http/h1/framing_fields.h"

namespace sluice::http::h2 {
namespace {

// Eight bytes at a time: whether one is below 0x20 or 0x7f; HTAB, which may stand there, gets a closer look.
bool may_hold_control(std::uint64_t word) {
  constexpr std::uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
  const std::uint64_t is_low = (word - ones * 0x20) & ~word & highs;
  const std::uint64_t no_delete = word ^ (ones * 0x7f);
  const std::uint64_t is_delete = (no_delete - ones) & ~no_delete & highs;
  return (is_low | is_delete) != 0;
}

bool has_control(std::string_view text) {
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    if (!may_hold_control(word)) continue;
    for (std::size_t i = 0; i < 8; ++i)
      if (is_control(text[at + i])) return true;
  }
  for (; at < text.size(); ++at)
    if (is_control(text[at])) return true;
  return false;
}

constexpr CharacterSet name_characters = token_characters.without("ABCDEFGHIJKLMNOPQRSTUVWXYZ");

bool add_field(const Field& field, std::vector<HeaderField>& out) {
  // Names with an id are right: they were compared with the table of them.
  if (field.id == FieldId::other && (field.name.empty() || !name_characters.contains_all(field.name))) return false;
  if (has_control(field.value)) return false;
  out.push_back({field.name, field.value});
  return true;
}

template <class Place>
std::string_view digits_of(Place& place, std::int64_t number) {
  const char* const end = std::to_chars(place.data(), place.data() + place.size(), number).ptr;
  return {place.data(), static_cast<std::size_t>(end - place.data())};
}

}  // namespace

bool request_fields(const RequestHead& head, std::string_view scheme, HeadDigits& digits,
                    std::vector<HeaderField>& out) {
  out.clear();
  std::string_view path = head.path;
  if (head.has_query) {
    digits.path.assign(path.begin(), path.end());
    digits.path.push_back('?');
    digits.path.insert(digits.path.end(), head.query.begin(), head.query.end());
    path = {digits.path.data(), digits.path.size()};
  }
  if (head.method.empty() || !token_characters.contains_all(head.method) || has_control(head.authority) ||
      !target_characters.contains_all(path))
    return false;
  out.push_back({":method", head.asks_websocket ? std::string_view("CONNECT") : head.method});
  if (head.asks_websocket) out.push_back({":protocol", "websocket"});
  out.push_back({":scheme", scheme});
  out.push_back({":authority", head.authority});
  out.push_back({":path", path});
  if (!plain_fields(head.fields, out)) return false;
  if (head.asks_websocket) {
    std::erase_if(out, [](const HeaderField& field) { return field.name == "sec-websocket-key"; });
    return true;  // no trailers, no length
  }
  if (head.wants_trailers) out.push_back({"te", "trailers"});
  const bool has_usual_body = head.method == "POST" || head.method == "PUT" || head.method == "PATCH";
  if (head.body.bytes > 0 || (head.body.is_empty() && has_usual_body))
    out.push_back({"content-length", digits_of(digits.length, head.body.bytes)});
  return true;
}

bool plain_fields(const FieldList& fields, std::vector<HeaderField>& out) {
  for (const Field& field : fields)
    if (!h1::is_framing_field(field.id) && !add_field(field, out)) return false;
  return true;
}

bool response_fields(const ResponseHead& head, std::int64_t length, HeadDigits& digits, std::vector<HeaderField>& out) {
  out.clear();
  if (head.status < 100 || head.status > 999) return false;
  out.push_back({":status", digits_of(digits.status, head.status)});
  if (!plain_fields(head.fields, out)) return false;
  if (length != BodySize::unknown) out.push_back({"content-length", digits_of(digits.length, length)});
  return true;
}

}  // namespace sluice::http::h2
