#include "gateway/fault_reply.h"

#include <array>
#include <charconv>

#include "http/h1/writer.h"

namespace sluice::gateway {

namespace {

constexpr std::string_view problem_type = "application/problem+json";
constexpr std::string_view retry_after = "1";  // seconds

// `tail`: what follows the cause, in JSON. Every text here is a constant or a checked id: nothing needs escaping.
template <class... Tail>
std::string_view problem(const Cause& cause, Arena& arena, Tail... tail) {
  std::array<char, 4> digits;
  const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), cause.status).ptr;
  return arena.join("{\"type\":\"about:blank\",\"title\":\"", cause.title,
                    "\",\"status\":", std::string_view(digits.data(), end), ",\"cause\":\"", cause.code, "\"", tail...,
                    "}\n");
}

}  // namespace

void make_fault_reply(const Cause& cause, policy::Exchange& exchange) {
  auto& reply = exchange.made_reply();
  reply.status = cause.status;
  reply.content_type = problem_type;
  reply.body = problem(cause, exchange.arena(), ",\"id\":\"", exchange.id(), "\"");
  exchange.add_reply_field("cache-control", "no-store");
  if (cause.status == 426) exchange.add_reply_field("sec-websocket-version", "13");  // RFC 6455 section 4.4
  if (cause.status == 503) exchange.add_reply_field("retry-after", retry_after);
}

std::string bare_reply(const Cause& cause) {
  Arena arena;
  const std::string_view body = problem(cause, arena);
  http::ResponseHead head{.status = cause.status, .fields = {}, .body = {static_cast<std::int64_t>(body.size())}};
  head.fields.add(arena, "content-type", problem_type);
  head.fields.add(arena, "cache-control", "no-store");
  head.fields.add(arena, "retry-after", retry_after);
  std::string out(http::h1::head_bytes(head), '\0');
  out.resize(http::h1::write_response(head, http::h1::Framing::length, false, false, out.data()));
  return out.append(body);
}

http::ResponseHead reply_head(policy::Exchange& exchange, std::string_view date) {
  auto& reply = exchange.made_reply();
  if (reply.cause != nullptr) make_fault_reply(*reply.cause, exchange);
  const bool is_head = exchange.request().method == http::Method::head;
  const auto size = static_cast<std::int64_t>(reply.body.size());
  http::ResponseHead head{.status = reply.status,
                          .fields = reply.fields,
                          .body = {is_head ? 0 : size},
                          .announced_length = is_head ? size : http::BodySize::unknown};
  if (!reply.content_type.empty()) head.fields.add(exchange.arena(), "content-type", reply.content_type);
  head.fields.add(exchange.arena(), "date", date);
  return head;
}

}  // namespace sluice::gateway
