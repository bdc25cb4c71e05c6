#include "gateway/websocket_config.h"

namespace sluice::gateway {

namespace {

http::websocket::Allowance allowance(const config::Rate& rate) { return {.count = rate.count, .per = rate.per}; }

}  // namespace

WebSocketTerms WebSocketConfig::terms(const RouteWebSocketConfig& changes) const {
  return {.idle_timeout = changes.idle_timeout.value_or(idle_timeout),
          .send_timeout = changes.send_timeout.value_or(send_timeout),
          .max_age = changes.max_age.value_or(max_age),
          .jitter_percent = changes.max_age_jitter.value_or(max_age_jitter),
          .client = {.message_bytes = changes.max_message.value_or(max_message).bytes,
                     .messages = allowance(changes.messages.value_or(messages)),
                     .controls = allowance(changes.pings.value_or(pings))}};
}

bool RouteWebSocketConfig::read(const config::Node& node, RouteWebSocketConfig& out, config::ReadContext& context) {
  if (node.is_map()) return config::read_struct(node, &out, config::struct_info<RouteWebSocketConfig>(), context);
  if (node.kind() == config::Kind::boolean) return config::read_bool(node, out.is_allowed, context);
  context.wrong_type(node, "`false`, `true`, or a map of limits");
  return false;
}

void RouteWebSocketConfig::schema(config::SchemaWriter& schema) {
  schema.any_of(
      {[&] { schema.boolean(); }, [&] { schema.structure(config::struct_info<RouteWebSocketConfig>()); }});
}

void RouteWebSocketConfig::dump(const RouteWebSocketConfig& value, config::JsonWriter& json) {
  if (!value.is_allowed || !value.changes_limits()) return json.boolean(value.is_allowed);
  (void)config::dump_struct(&value, config::struct_info<RouteWebSocketConfig>(), json);
}

}  // namespace sluice::gateway
