#include "gateway/access_text.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/json.h"
#include "gateway/access_log.h"

namespace sluice::gateway {
namespace {

constexpr std::uint64_t every_byte = 0x0101010101010101;

// Whether one of eight bytes needs more than copying: controls, quote, backslash, DEL and all that is not ASCII.
bool needs_care(std::uint64_t bytes) {
  const auto holds = [&](std::uint64_t byte) {
    const std::uint64_t x = bytes ^ (every_byte * byte);
    return (x - every_byte) & ~x;
  };
  const std::uint64_t below_space = (bytes - every_byte * 0x20) & ~bytes;
  return ((bytes | (bytes + every_byte) | below_space | holds('"') | holds('\\')) & (every_byte * 0x80)) != 0;
}

bool needs_care(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\';
}

std::uint64_t load(const char* from) {
  std::uint64_t bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return bytes;
}

// The bytes of a text of one to eight, in any order and some of them twice; what is left over needs no care.
std::uint64_t load_short(std::string_view text) {
  const char* const begin = text.data();
  const std::size_t size = text.size();
  if (size < 4) {
    const auto byte = [&](std::size_t at) { return std::uint64_t{static_cast<unsigned char>(begin[at])}; };
    return every_byte * 0x20 << 24 | byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16;
  }
  std::uint32_t first, last;
  std::memcpy(&first, begin, sizeof first);
  std::memcpy(&last, begin + size - sizeof last, sizeof last);
  return std::uint64_t{last} << 32 | first;
}

bool is_plain(std::string_view text) {
  if (text.size() <= 8) return text.empty() || !needs_care(load_short(text));
  for (std::size_t at = 0; at + 8 <= text.size(); at += 8)
    if (needs_care(load(text.data() + at))) return false;
  return !needs_care(load(text.data() + text.size() - 8));  // overlaps: the last word may be part of one
}

char short_escape(char32_t code) {
  switch (code) {
    case '"':
      return '"';
    case '\\':
      return '\\';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

// Characters that a terminal, a line-based tool or a reader's eye could be led astray by.
bool is_hostile(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

constexpr std::array<std::string_view, 13> masked_names{
    "token", "key",       "api_key", "apikey",   "access_token",  "password",     "secret",
    "sig",   "signature", "code",    "id_token", "refresh_token", "client_secret"};
constexpr std::size_t longest_masked_name = 13;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool is_masked(std::string_view name) {
  char decoded[longest_masked_name];
  std::size_t size = 0;
  for (std::size_t i = 0; i < name.size(); ++i, ++size) {
    if (size == sizeof decoded) return false;
    char c = name[i];
    if (c == '%' && i + 2 < name.size() && hex_digit(name[i + 1]) >= 0 && hex_digit(name[i + 2]) >= 0) {
      c = static_cast<char>(hex_digit(name[i + 1]) << 4 | hex_digit(name[i + 2]));
      i += 2;
    }
    decoded[size] = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  for (const std::string_view masked : masked_names)
    if (masked == std::string_view(decoded, size)) return true;
  return false;
}

}  // namespace

std::span<const std::string_view> masked_query_names() { return masked_names; }

void TextOut::append(std::string_view text) {
  if (is_cut_) return;
  if (text.size() > static_cast<std::size_t>(limit_ - at_) || at_ + text.size() > soft_limit_ || !is_plain(text))
    return append_carefully(text);
  std::memcpy(at_, text.data(), text.size());
  cut_at_ = at_ += text.size();
}

void TextOut::append_carefully(std::string_view text) {
  while (!text.empty() && !is_cut_) {
    text.remove_prefix(copy_words(text));
    if (text.empty()) return;
    if (!needs_care(text[0])) {
      put(text.substr(0, 1));
      text.remove_prefix(1);
      continue;
    }
    const Utf8Char c = decode_utf8(text);
    c.valid && !is_hostile(c.code) && short_escape(c.code) == 0 ? put(text.substr(0, c.size)) : escape(c.code);
    text.remove_prefix(c.size);
  }
}

// Copies whole words while no byte in them needs care and the mark would still fit behind them. Returns the bytes
// copied.
std::size_t TextOut::copy_words(std::string_view text) {
  std::size_t copied = 0;
  for (; text.size() - copied >= 8 && soft_limit_ - at_ >= 8; copied += 8, at_ += 8) {
    if (needs_care(load(text.data() + copied))) break;
    std::memcpy(at_, text.data() + copied, 8);
  }
  if (copied > 0) cut_at_ = at_;
  return copied;
}

void TextOut::escape(char32_t code) {
  if (const char letter = short_escape(code)) {
    const char text[] = {'\\', letter};
    return put({text, sizeof text});
  }
  constexpr char hex[] = "0123456789abcdef";
  const char text[] = {'\\', 'u', hex[code >> 12 & 15], hex[code >> 8 & 15], hex[code >> 4 & 15], hex[code & 15]};
  put({text, sizeof text});
}

// One character: all of it or, when the field is full, the end.
void TextOut::put(std::string_view piece) {
  if (piece.size() > static_cast<std::size_t>(limit_ - at_)) {
    is_cut_ = true;
    return;
  }
  std::memcpy(at_, piece.data(), piece.size());
  at_ += piece.size();
  if (at_ <= soft_limit_) cut_at_ = at_;
}

char* TextOut::finish() {
  if (!is_cut_) return at_;
  std::memcpy(cut_at_, cut_mark.data(), cut_mark.size());
  return cut_at_ + cut_mark.size();
}

// A name stands after '&' or ';', as some servers read it; a secret's value goes on to the next '&', so that no part of
// it shows whichever way the server reads it.
void append_query(TextOut& out, std::string_view query) {
  std::size_t shown = 0;  // everything before is written
  std::size_t name_start = 0;
  bool is_in_name = true;
  for (std::size_t i = 0; i < query.size(); ++i) {
    const char c = query[i];
    if (c == '&' || c == ';') {
      name_start = i + 1;
      is_in_name = true;
    } else if (c == '=' && is_in_name) {
      is_in_name = false;
      if (!is_masked(query.substr(name_start, i - name_start))) continue;
      out.append(query.substr(shown, i + 1 - shown));
      out.append("***");
      shown = query.find('&', i);
      if (shown == std::string_view::npos) return;
      i = shown - 1;  // the '&' is looked at next
    }
  }
  out.append(query.substr(shown));
}

void append_url(TextOut& out, std::string_view url) {
  const std::size_t mark = url.find('?');
  if (mark == std::string_view::npos) return out.append(url);
  out.append(url.substr(0, mark + 1));
  append_query(out, url.substr(mark + 1));
}

}  // namespace sluice::gateway
