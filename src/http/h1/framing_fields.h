#pragma once
// The fields that frame a message or concern one connection only: taken out of the head while it is read and turned
// into facts (RFC 9110 section 7.6.1, RFC 9112 section 6). Shared by requests, responses and trailers.

#include <array>
#include <cstdint>
#include <string_view>

#include "http/h1/head_text.h"
#include "http/message.h"

namespace sluice::http::h1 {

// Host, Connection ... Expect: never among a message's fields.
constexpr bool is_framing_field(FieldId id) { return id >= FieldId::host && id <= FieldId::expect; }

// Fields that carry framing, identity or what the gateway vouches for. `name` is in lower case; `-` and `_` count as
// equal. A client may not have them removed by naming them in Connection (S19), nor bring them in trailers (S24).
bool is_protected_field(std::string_view name);

// What RFC 9110 section 6.5.1 does not allow in trailers, and what is protected.
bool is_forbidden_trailer(const Field& field);

enum class TransferCoding : std::uint8_t { none, chunked, unsupported, malformed };

class FramingFields {
 public:
  // Fields that Connection may name. More is no honest message: the bound keeps their removal cheap.
  static constexpr std::size_t most_named = 16;

  void clear();
  // Each takes one field line and returns null, or which rule it breaks.
  const char* take_content_length(std::string_view value);
  const char* take_transfer_encoding(std::string_view value);
  // Never fails: what an Upgrade that is not wanted says does not matter (RFC 9110 section 7.8).
  void take_upgrade(std::string_view value);
  // Puts the value into lower case.
  const char* take_connection(char* value, std::size_t size);

  std::int64_t content_length() const { return content_length_; }  // BodySize::unknown: there was none
  bool has_content_length() const { return content_length_ != BodySize::unknown; }
  TransferCoding transfer_coding() const { return coding_; }
  bool has_close() const { return has_close_; }
  bool has_keep_alive() const { return has_keep_alive_; }
  // Upgrade: none; the one protocol `websocket`; others, with `websocket` among them or without.
  enum class Upgrade : std::uint8_t { none, websocket, websocket_among_others, other };
  Upgrade upgrade() const { return upgrade_; }
  bool has_upgrade_option() const { return has_upgrade_option_; }  // Connection: upgrade
  bool names_protected_field() const { return names_protected_; }
  // Whether Connection names the field `name`, in lower case.
  bool names(std::string_view name) const;
  // Takes what Connection named out of `fields`, but for protected ones.
  void remove_named(FieldList& fields) const;

 private:
  const char* take_option(std::string_view option);

  std::int64_t content_length_ = BodySize::unknown;
  TransferCoding coding_ = TransferCoding::none;
  bool has_close_ = false;
  bool has_keep_alive_ = false;
  bool names_protected_ = false;
  bool has_upgrade_option_ = false;
  Upgrade upgrade_ = Upgrade::none;
  std::uint8_t named_count_ = 0;
  std::array<std::string_view, most_named> named_;  // the first named_count_
};

}  // namespace sluice::http::h1
