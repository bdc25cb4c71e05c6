#include "http/websocket/handshake.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "base/random.h"
#include "http/causes.h"
#include "http/characters.h"

namespace sluice::http::websocket {
namespace {

constexpr std::string_view base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr CharacterSet base64_characters{base64};
constexpr std::string_view guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 section 1.3
constexpr std::size_t key_bytes = 24;                                      // 16 in base64

constexpr Refusal malformed(const char* detail) { return {&websocket_handshake_malformed, detail}; }

// The value of the only field of that name; a view with null data when there is none or more than one.
std::string_view only(const FieldList& fields, std::string_view name) {
  std::string_view value;
  int count = 0;
  fields.each(name, [&](const Field& field) {
    value = field.value.data() == nullptr ? std::string_view("") : field.value;
    ++count;
  });
  return count == 1 ? value : std::string_view();
}

bool is_key(std::string_view key) {
  return key.size() == key_bytes && key.ends_with("==") && base64_characters.contains_all(key.substr(0, key_bytes - 2));
}

// Base64 with padding; `out` has room for it.
void encode(std::span<const unsigned char> bytes, char* out) {
  std::size_t left = bytes.size();
  for (std::size_t i = 0; i < bytes.size(); i += 3, left -= std::min<std::size_t>(left, 3)) {
    const auto byte = [&](std::size_t index) { return index < bytes.size() ? std::uint32_t{bytes[index]} : 0u; };
    const std::uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (std::size_t place = 0; place < 4; ++place)
      *out++ = place <= left ? base64[group >> (18 - 6 * place) & 63] : '=';
  }
}

}  // namespace

Refusal check_request(const FieldList& fields) {
  const std::string_view version = only(fields, "sec-websocket-version");
  if (version.data() == nullptr) return malformed("not one Sec-WebSocket-Version");
  if (version != "13") return {&websocket_version_unsupported, "Sec-WebSocket-Version is not 13"};
  if (!is_key(only(fields, "sec-websocket-key"))) return malformed("not one right Sec-WebSocket-Key");
  return {nullptr};
}

std::string_view make_key(Arena& arena) {
  std::array<unsigned char, 16> bytes;
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    const std::uint64_t random = kernel_random();
    std::memcpy(bytes.data() + at, &random, sizeof random);
  }
  char* const text = arena.allocate_bytes(key_bytes);
  encode(bytes, text);
  return {text, key_bytes};
}

Accept accept_of(const FieldList& fields) {
  const std::string_view key = only(fields, "sec-websocket-key");
  std::array<unsigned char, key_bytes + guid.size()> text;
  if (key.size() != key_bytes) return {};
  std::memcpy(text.data(), key.data(), key_bytes);
  std::memcpy(text.data() + key_bytes, guid.data(), guid.size());
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  (void)SHA1(text.data(), text.size(), digest.data());
  Accept accept;
  encode(digest, accept.data());
  return accept;
}

bool is_accepted(const FieldList& fields, std::string_view wanted) {
  return only(fields, "sec-websocket-accept") == wanted;
}

}  // namespace sluice::http::websocket
