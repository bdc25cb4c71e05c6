#pragma once
// Sets of ASCII characters that the grammars of HTTP and URIs name. One table serves table look-up and SIMD alike.
// Not for bytes above 0x7f: no set holds them.

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice::http {

class CharacterSet {
 public:
  constexpr explicit CharacterSet(std::string_view members) {
    for (const char c : members) add(c);
  }
  constexpr bool contains(char c) const {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x80 && ((rows_[byte & 15u] >> (byte >> 4)) & 1u) != 0;
  }
  constexpr bool contains_all(std::string_view text) const {
    for (const char c : text)
      if (!contains(c)) return false;
    return true;
  }
  constexpr CharacterSet with(std::string_view members) const {
    CharacterSet set = *this;
    for (const char c : members) set.add(c);
    return set;
  }
  constexpr CharacterSet without(std::string_view members) const {
    CharacterSet set = *this;
    for (const char c : members) {
      const auto byte = static_cast<unsigned char>(c);
      set.rows_[byte & 15u] = static_cast<std::uint8_t>(set.rows_[byte & 15u] & ~(1u << (byte >> 4)));
    }
    return set;
  }
  // Row r, bit b: the character with the low nibble r and the high nibble b is a member. A byte shuffle looks sixteen
  // or thirty-two up at once.
  constexpr const std::array<std::uint8_t, 16>& rows() const { return rows_; }

 private:
  constexpr void add(char c) {
    const auto byte = static_cast<unsigned char>(c);
    rows_[byte & 15u] = static_cast<std::uint8_t>(rows_[byte & 15u] | (1u << (byte >> 4)));
  }
  std::array<std::uint8_t, 16> rows_{};
};

inline constexpr CharacterSet letters_and_digits("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
inline constexpr CharacterSet token_characters = letters_and_digits.with("!#$%&'*+-.^_`|~");  // RFC 9110 section 5.6.2
inline constexpr CharacterSet unreserved_characters = letters_and_digits.with("-._~");        // RFC 3986 section 2.3
// What may stand in a canonical path as it is: pchar and `/` (RFC 3986 section 3.3), without `%`.
inline constexpr CharacterSet path_characters = unreserved_characters.with("!$&'()*+,;=:@/");
// Of those, what needs no look at what stands around it: `;` may hide a dot segment.
inline constexpr CharacterSet plain_path_characters = path_characters.without(";");
// A request target: every visible character but `#`. What the path may hold is the canonicaliser's affair.
inline constexpr CharacterSet target_characters = token_characters.with("\"(),/:;<=>?@[\\]{}").without("#");
// A host name as we take it: RFC 3986's reg-name without percent-escapes and sub-delims.
inline constexpr CharacterSet host_characters = unreserved_characters;

constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr char to_lower(char c) { return is_upper(c) ? static_cast<char>(c | 0x20) : c; }
// Controls other than HTAB: what may stand in no field value, CR and LF among them (RFC 9110 section 5.5).
constexpr bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}
// -1 when it is none.
constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}
// `lower` is in lower case.
constexpr bool equals_lower(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (to_lower(text[i]) != lower[i]) return false;
  return true;
}

}  // namespace sluice::http
