#include "http/h1/framing_fields.h"

#include <algorithm>
#include <limits>

#include "http/characters.h"

namespace sluice::http::h1 {
namespace {

constexpr std::string_view protected_names[] = {
    "host",         "content-length", "transfer-encoding", "content-type", "content-encoding", "authorization",
    "cookie",       "set-cookie",     "forwarded",         "via",          "expect",           "cache-control",
    "x-request-id", "x-real-ip",      "traceparent",       "tracestate",
};
constexpr std::string_view protected_prefixes[] = {"x-forwarded-", "x-user", "x-consumer", "x-auth", "x-client-"};

// RFC 9110 section 6.5.1: message framing, routing, request modifiers, authentication, response control, and how to
// process the content.
constexpr std::string_view forbidden_trailers[] = {
    "age",
    "allow",
    "content-range",
    "content-location",
    "date",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "retry-after",
    "server",
    "vary",
    "www-authenticate",
};

bool starts_with_folded(std::string_view name, std::string_view prefix) {
  if (name.size() < prefix.size()) return false;
  return std::ranges::equal(name.substr(0, prefix.size()), prefix,
                            [](char c, char wanted) { return (c == '_' ? '-' : c) == wanted; });
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// Calls visit(member) for each member of a comma-separated list, trimmed; stops at the first non-null result.
template <class Visit>
const char* each_member(std::string_view list, Visit visit) {
  while (true) {
    const std::size_t comma = list.find(',');
    if (const char* detail = visit(trimmed(list.substr(0, comma)))) return detail;
    if (comma == std::string_view::npos) return nullptr;
    list.remove_prefix(comma + 1);
  }
}

// For a value that is not just `chunked`. A list of codings that ends in chunked is well formed, but more than we can
// do.
TransferCoding judge_codings(std::string_view value) {
  std::size_t members = 0, chunked = 0;
  bool is_chunked_last = false;
  const char* const broken = each_member(value, [&](std::string_view member) -> const char* {
    if (member.empty() || !token_characters.contains_all(member)) return "not a token";
    is_chunked_last = equals_lower(member, "chunked");
    chunked += is_chunked_last ? 1 : 0;
    ++members;
    return nullptr;
  });
  if (broken != nullptr) return TransferCoding::malformed;
  if (members == 1 || (chunked == 1 && is_chunked_last)) return TransferCoding::unsupported;
  return TransferCoding::malformed;
}

}  // namespace

bool is_protected_field(std::string_view name) {
  for (const std::string_view prefix : protected_prefixes)
    if (starts_with_folded(name, prefix)) return true;
  for (const std::string_view whole : protected_names)
    if (name.size() == whole.size() && starts_with_folded(name, whole)) return true;
  return false;
}

bool is_forbidden_trailer(const Field& field) {
  if (is_framing_field(field.id) || is_protected_field(field.name)) return true;
  return std::ranges::find(forbidden_trailers, field.name) != std::end(forbidden_trailers);
}

void FramingFields::clear() {
  content_length_ = BodySize::unknown;
  coding_ = TransferCoding::none;
  has_close_ = has_keep_alive_ = names_protected_ = has_upgrade_option_ = false;
  upgrade_ = Upgrade::none;
  named_count_ = 0;
}

const char* FramingFields::take_content_length(std::string_view value) {
  if (has_content_length()) return "more than one Content-Length";
  if (value.empty()) return "Content-Length is empty";
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::int64_t length = 0;
  for (const char c : value) {
    if (!is_digit(c)) return "Content-Length is not a number";
    const int digit = c - '0';
    if (length > (most - digit) / 10) return "Content-Length does not fit into 63 bits";
    length = length * 10 + digit;
  }
  content_length_ = length;
  return nullptr;
}

const char* FramingFields::take_transfer_encoding(std::string_view value) {
  if (coding_ != TransferCoding::none) return "more than one Transfer-Encoding";
  coding_ = equals_lower(value, "chunked") ? TransferCoding::chunked : judge_codings(value);
  return coding_ == TransferCoding::malformed ? "Transfer-Encoding is not `chunked`" : nullptr;
}

void FramingFields::take_upgrade(std::string_view value) {
  bool has_websocket = upgrade_ == Upgrade::websocket || upgrade_ == Upgrade::websocket_among_others;
  bool has_other = upgrade_ == Upgrade::other || upgrade_ == Upgrade::websocket_among_others;
  each_member(value, [&](std::string_view member) -> const char* {
    const bool is_websocket = equals_lower(member, "websocket");
    // A second time is one too many as well: nobody needs it, and two readers may count differently.
    has_other |= is_websocket ? has_websocket : !member.empty();
    has_websocket |= is_websocket;
    return nullptr;
  });
  if (has_websocket) {
    upgrade_ = has_other ? Upgrade::websocket_among_others : Upgrade::websocket;
  } else if (has_other) {
    upgrade_ = Upgrade::other;
  }
}

const char* FramingFields::take_connection(char* value, std::size_t size) {
  if (equals_lower({value, size}, "keep-alive")) {  // what nearly all send
    has_keep_alive_ = true;
    return nullptr;
  }
  std::transform(value, value + size, value, to_lower);
  // Empty members are no mistake: RFC 9110 section 5.6.1.2.
  return each_member({value, size}, [this](std::string_view option) { return take_option(option); });
}

const char* FramingFields::take_option(std::string_view option) {
  if (option.empty()) return nullptr;
  if (option == "close") {
    has_close_ = true;
  } else if (option == "keep-alive") {
    has_keep_alive_ = true;
  } else if (option == "upgrade") {
    has_upgrade_option_ = true;
  } else if (!token_characters.contains_all(option)) {
    return "character not allowed in Connection";
  } else if (is_protected_field(option)) {
    names_protected_ = true;
  } else if (named_count_ == most_named) {
    return "Connection names too many fields";
  } else {
    named_[named_count_++] = option;
  }
  return nullptr;
}

bool FramingFields::names(std::string_view name) const {
  return std::find(named_.begin(), named_.begin() + named_count_, name) != named_.begin() + named_count_;
}

void FramingFields::remove_named(FieldList& fields) const {
  for (std::size_t i = 0; i < named_count_; ++i) fields.remove(named_[i]);
}

}  // namespace sluice::http::h1
