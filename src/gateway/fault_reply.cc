#include "gateway/fault_reply.h"

#include <array>
#include <charconv>

namespace sluice::gateway {

void make_fault_reply(const Cause& cause, policy::Exchange& exchange) {
  std::array<char, 4> digits;
  const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), cause.status).ptr;
  const std::string_view status(digits.data(), end);
  auto& reply = exchange.made_reply();
  reply.status = cause.status;
  reply.content_type = "application/problem+json";
  // Every text here is a constant or a checked id: nothing needs escaping.
  reply.body = exchange.arena().join("{\"type\":\"about:blank\",\"title\":\"", cause.title, "\",\"status\":", status,
                                     ",\"cause\":\"", cause.code, "\",\"id\":\"", exchange.id(), "\"}\n");
  exchange.add_reply_field("cache-control", "no-store");
  if (cause.status == 503) exchange.add_reply_field("retry-after", "1");
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
