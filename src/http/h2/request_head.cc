#include "http/h2/request_head.h"

#include <algorithm>
#include <cstring>

#include "http/canonical.h"
#include "http/causes.h"
#include "http/characters.h"
#include "http/websocket/handshake.h"

namespace sluice::http::h2 {
namespace {

constexpr std::size_t most_method_bytes = 32;
constexpr std::size_t usual_fields = 24;
constexpr std::size_t line_bytes = 11;  // what `GET /path HTTP/1.1` has beside method and path

constexpr Refusal malformed(const char* detail) { return {&request_malformed, detail}; }
constexpr Refusal target_refused(const char* detail) { return {&request_target_refused, detail}; }

}  // namespace

void RequestHeadReader::start(Arena& arena, const HeadLimits& limits) {
  *this = RequestHeadReader();
  arena_ = &arena;
  limits_ = &limits;
  request_.fields.reserve(arena, std::min<std::size_t>(usual_fields, limits.fields));
}

bool RequestHeadReader::add(std::string_view name, std::string_view value) {
  charged_bytes_ += name.size() + value.size() + field_overhead;
  const bool is_pseudo = name.starts_with(':');
  if (charged_bytes_ > limits_->head_bytes) {
    refuse(request_header_too_large, "fields too large together");
    return false;
  }
  if (is_pseudo) {
    add_pseudo(name, value);
    return true;
  }
  if (++fields_ > limits_->fields) {
    refuse(request_header_too_large, "too many fields");
    return false;
  }
  if (name.size() + value.size() > limits_->field_line_bytes) {
    refuse(request_header_too_large, "field too long");
    return false;
  }
  // Many servers take `_` for `-`: two names for one field (S14).
  if (name.contains('_')) refuse(request_malformed, "underscore in a field name");
  if (const FieldId id = field_id(name); h1::is_framing_field(id)) {
    add_framing(id, value);
  } else if (id == FieldId::cookie) {
    add_cookie(value);
  } else {
    request_.fields.add(*arena_, {arena_->copy(name), arena_->copy(value), id});
  }
  return true;
}

void RequestHeadReader::add_pseudo(std::string_view name, std::string_view value) {
  if (name == ":method") {
    request_.method_name = arena_->copy(value);
    request_.method = method_of(request_.method_name);
  } else if (name == ":path") {
    target_ = arena_->copy(value);
  } else if (name == ":authority") {
    authority_ = arena_->copy(value);
  } else if (name == ":scheme") {
    scheme_ = arena_->copy(value);
  } else if (name == ":protocol") {
    protocol_ = arena_->copy(value);
  }
}

void RequestHeadReader::add_framing(FieldId id, std::string_view value) {
  switch (id) {
    case FieldId::host:
      if (has_host_) refuse(request_malformed, "more than one Host");
      has_host_ = true;
      host_ = arena_->copy(value);
      break;
    case FieldId::content_length:
      if (const char* const detail = framing_.take_content_length(value)) refuse(request_malformed, detail);
      break;
    case FieldId::te:
      request_.wants_trailers = equals_lower(value, "trailers");  // libnghttp2 lets nothing else pass
      break;
    case FieldId::expect:
      if (has_expect_) refuse(request_malformed, "more than one Expect");
      has_expect_ = true;
      is_expectation_known_ = equals_lower(value, "100-continue");
      break;
    default:
      break;  // Trailer: nothing follows from it
  }
}

// RFC 9113 section 8.2.3: crumbs are one Cookie field to everybody else.
void RequestHeadReader::add_cookie(std::string_view value) {
  if (cookie_.data() == nullptr) {
    cookie_ = arena_->copy(value);
    if (cookie_.empty()) cookie_ = std::string_view("", 0);
    request_.fields.add(*arena_, {"cookie", cookie_, FieldId::cookie});
    return;
  }
  const std::size_t added = value.size() + 2;
  if (cookie_room_ < added) {
    const std::size_t capacity = 2 * (cookie_.size() + added);
    char* const larger = arena_->allocate_bytes(capacity);
    std::memcpy(larger, cookie_.data(), cookie_.size());
    cookie_ = {larger, cookie_.size()};
    cookie_room_ = capacity - cookie_.size();
  }
  char* const end = const_cast<char*>(cookie_.data()) + cookie_.size();
  std::memcpy(end, "; ", 2);
  std::memcpy(end + 2, value.data(), value.size());
  cookie_ = {cookie_.data(), cookie_.size() + added};
  cookie_room_ -= added;
  is_cookie_joined_ = true;
}

Refusal RequestHeadReader::finish(bool is_whole, bool has_ended) {
  if (is_cookie_joined_) request_.fields.set(*arena_, "cookie", cookie_);
  request_.is_http2 = true;
  if (refusal_.cause != nullptr) return refusal_;
  if (request_.method_name.empty() || request_.method_name.size() > most_method_bytes ||
      !token_characters.contains_all(request_.method_name))
    return malformed("method is empty, too long, or no token");
  if (request_.method == Method::connect) {
    if (const Refusal refusal = settle_websocket(is_whole); refusal.cause != nullptr) return refusal;
  }
  if (request_.method_name.size() + target_.size() + line_bytes > limits_->start_line_bytes)
    return {&request_uri_too_long, "method and path too long"};
  if (!equals_lower(scheme_, "http") && !equals_lower(scheme_, "https"))
    return malformed("scheme is not http or https");
  if (const Refusal refusal = settle_target(); refusal.cause != nullptr) return refusal;
  if (const Refusal refusal = settle_authority(); refusal.cause != nullptr) return refusal;
  if (has_expect_ && !is_expectation_known_) return {&request_expectation_failed, "expectation is not 100-continue"};
  const bool has_body = !is_whole && !request_.asks_websocket;
  request_.body.bytes = has_body ? framing_.content_length() : 0;  // unknown when none was given
  // Row S04: "nothing" is a promise until the stream has ended. Whoever took it for a request without a body would have
  // a whole one, whatever comes.
  if (has_body && !has_ended && request_.body.is_empty()) request_.body.bytes = BodySize::unknown;
  request_.expects_continue = has_expect_ && !request_.body.is_empty();
  return {};
}

// Extended CONNECT (RFC 8441), for a WebSocket and nothing else: in canonical form the GET that opens one in HTTP/1.1,
// with a key of ours, which HTTP/2 has no use for.
Refusal RequestHeadReader::settle_websocket(bool is_whole) {
  if (protocol_.empty()) return {&request_method_unsupported, "CONNECT"};
  if (protocol_ != "websocket") return {&request_method_unsupported, "CONNECT of another protocol than websocket"};
  if (is_whole || framing_.has_content_length()) return {&websocket_handshake_malformed, "stream that ends at once"};
  request_.method = Method::get;
  request_.method_name = "GET";
  request_.fields.remove("sec-websocket-key");
  request_.fields.add(*arena_, "sec-websocket-key", websocket::make_key(*arena_));
  if (request_.fields.find("sec-websocket-version") == nullptr)
    request_.fields.add(*arena_, "sec-websocket-version", "13");
  request_.asks_websocket = true;
  return websocket::check_request(request_.fields);
}

Refusal RequestHeadReader::settle_target() {
  if (target_ == "*") {
    if (request_.method != Method::options) return target_refused("`*` is a target for OPTIONS only");
    request_.path = target_;
    return {};
  }
  if (!target_characters.contains_all(target_)) {
    return target_.contains('#') ? target_refused("fragment in the request target")
                                 : malformed("character not allowed in a request target");
  }
  const std::size_t mark = target_.find('?');
  if (mark != std::string_view::npos) {
    request_.has_query = true;
    request_.query = target_.substr(mark + 1);
  }
  const auto path = canonicalise_path(target_.substr(0, mark), *arena_);
  if (!path) return path.error();
  request_.path = path->path;
  request_.segments = path->segments;
  request_.has_encoded_slash = path->has_encoded_slash;
  return {};
}

// RFC 9113 section 8.3.1. Two names for one target would be two readings (H08).
Refusal RequestHeadReader::settle_authority() {
  const std::string_view given = authority_.empty() ? host_ : authority_;
  if (given.empty()) return malformed("neither :authority nor Host");
  const auto authority = canonicalise_authority(given, *arena_);
  if (!authority) return authority.error();
  if (!authority_.empty() && has_host_) {
    const auto host = canonicalise_authority(host_, *arena_);
    if (!host) return host.error();
    if (host->authority != authority->authority) return malformed("Host is not :authority");
  }
  request_.authority = authority->authority;
  request_.host = authority->host;
  request_.port = authority->port;
  return {};
}

}  // namespace sluice::http::h2
