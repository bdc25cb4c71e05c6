#include "policy/exchange.h"

#include "base/hex.h"

namespace sluice::policy {

namespace {
constexpr std::size_t expected_extra_fields = 8;  // room for what policies usually add, so that the list is copied once
}

void Exchange::begin(const Facts& facts) {
  facts_ = facts;
  const http::Request& request = *facts.request;
  upstream_request_ = {.method = request.method_name,
                       .authority = request.authority,
                       .path = request.path,
                       .has_query = request.has_query,
                       .query = request.query,
                       .fields = request.fields.copy(*facts.arena, expected_extra_fields),
                       .body = request.body,
                       .wants_trailers = request.wants_trailers,
                       .asks_websocket = request.asks_websocket};
  response_ = nullptr;
  reply_ = {};
  client_ = facts.peer;
  peer_ip_ = {};
  client_scheme_ = facts.security != nullptr ? http::Scheme::https : request.scheme;
  id_ = {};
  identity_ = nullptr;
  notes_ = nullptr;
  hidden_query_parameter_ = {};
  request_body_limit_ = ~std::uint64_t{0};
}

std::string_view Exchange::capture(std::string_view name) const {
  for (const Capture& capture : facts_.captures)
    if (capture.name == name) return capture.value.data() == nullptr ? std::string_view("") : capture.value;
  return {};
}

std::string_view Exchange::peer_ip() {
  if (peer_ip_.empty()) {
    char* const text = arena().allocate_bytes(net::Address::most_ip_bytes);
    peer_ip_ = {text, facts_.peer.write_ip(text)};
  }
  return peer_ip_;
}

std::string_view Exchange::id() {
  if (id_.empty()) {
    char* const text = arena().allocate_bytes(hex_bytes);
    write_hex(facts_.random, text);
    id_ = {text, hex_bytes};
  }
  return id_;
}

void Exchange::reply(const Cause& cause, const char* detail) {
  reply_ = {.status = cause.status, .cause = &cause, .detail = detail, .content_type = {}, .body = {}, .fields = {}};
}

void Exchange::reply(int status, std::string_view content_type, std::string_view body) {
  reply_ = {.status = status, .cause = nullptr, .detail = "", .content_type = content_type, .body = body, .fields = {}};
}

}  // namespace sluice::policy
