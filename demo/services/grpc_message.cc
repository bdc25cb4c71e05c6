#include "grpc_message.h"

#include <cstdint>

namespace demo {
namespace {

constexpr std::size_t prefix_bytes = 5;
constexpr unsigned length_delimited = 2;  // wire type of strings

void append_varint(std::string& out, std::size_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void append_string(std::string& out, unsigned field, std::string_view text) {
  append_varint(out, field << 3 | length_delimited);
  append_varint(out, text.size());
  out += text;
}

std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

}  // namespace

std::string greet_reply(std::string_view greeting, std::string_view instance) {
  std::string body;
  append_string(body, 1, greeting);
  append_string(body, 2, instance);
  std::string out(1, '\0');  // not compressed
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(body.size() >> shift & 0xff);
  return out + body;
}

// Fields of other numbers are skipped, as long as they are strings: no newer GreetRequest has others.
std::optional<std::string> requested_name(std::string_view message) {
  std::string name;
  while (!message.empty()) {
    const auto tag = take_varint(message);
    if (!tag || (*tag & 7) != length_delimited) return std::nullopt;
    const auto length = take_varint(message);
    if (!length || *length > message.size()) return std::nullopt;
    if (*tag >> 3 == 1) name = message.substr(0, *length);
    message.remove_prefix(*length);
  }
  return name;
}

Taken take_message(std::string& received, std::string& message) {
  if (received.size() < prefix_bytes) return Taken::incomplete;
  std::size_t length = 0;
  for (std::size_t i = 1; i < prefix_bytes; ++i) length = length << 8 | static_cast<unsigned char>(received[i]);
  if (received[0] != 0 || length > message_limit_bytes) return Taken::malformed;
  if (received.size() < prefix_bytes + length) return Taken::incomplete;
  message = received.substr(prefix_bytes, length);
  received.erase(0, prefix_bytes + length);
  return Taken::message;
}

}  // namespace demo
