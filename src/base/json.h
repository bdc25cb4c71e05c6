#pragma once
// Writing JSON text and reading UTF-8, for every place that prints what an outsider sent.
// Not a JSON parser, and not a document model.

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

// One character read from the front of a text. `size` is 0 only when the text is empty.
struct Utf8Char {
  char32_t code = 0;      // U+FFFD when the bytes are not UTF-8
  std::uint8_t size = 0;  // bytes to skip; 1 when not UTF-8
  bool valid = false;
};

// Strict: no overlong forms, no surrogates, nothing above U+10FFFF. Source: RFC 3629 section 4.
Utf8Char decode_utf8(std::string_view text);

// Appends `text` as a JSON string with its quotes. Every control character is escaped, also DEL, C1, U+2028 and U+2029;
// bytes that are not UTF-8 become U+FFFD. The result is one line whatever came in. Source: RFC 8259 section 7.
void append_json_string(std::string& out, std::string_view text);

}  // namespace sluice
