#include "http/websocket/handshake.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <string>

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

Accept encode(const std::array<unsigned char, SHA_DIGEST_LENGTH>& digest) {
  Accept out;
  std::size_t at = 0;
  for (std::size_t i = 0; i < digest.size(); i += 3) {
    const auto byte = [&](std::size_t index) { return index < digest.size() ? std::uint32_t{digest[index]} : 0u; };
    const std::uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (int shift = 18; shift >= 0; shift -= 6) out[at++] = base64[group >> shift & 63];
  }
  out.back() = '=';  // 20 bytes leave one place of the last group empty
  return out;
}

}  // namespace

Refusal check_request(const FieldList& fields) {
  const std::string_view version = only(fields, "sec-websocket-version");
  if (version.data() == nullptr) return malformed("not one Sec-WebSocket-Version");
  if (version != "13") return {&websocket_version_unsupported, "Sec-WebSocket-Version is not 13"};
  if (!is_key(only(fields, "sec-websocket-key"))) return malformed("not one right Sec-WebSocket-Key");
  return {nullptr};
}

Accept accept_of(const FieldList& fields) {
  const std::string_view key = only(fields, "sec-websocket-key");
  std::array<unsigned char, key_bytes + guid.size()> text;
  if (key.size() != key_bytes) return {};
  std::memcpy(text.data(), key.data(), key_bytes);
  std::memcpy(text.data() + key_bytes, guid.data(), guid.size());
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  (void)SHA1(text.data(), text.size(), digest.data());
  return encode(digest);
}

bool is_accepted(const FieldList& fields, std::string_view wanted) {
  return only(fields, "sec-websocket-accept") == wanted;
}

}  // namespace sluice::http::websocket
