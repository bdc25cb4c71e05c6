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

}  // namespace sluice::gateway
