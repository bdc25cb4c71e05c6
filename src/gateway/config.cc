#include "gateway/config.h"

namespace sluice::gateway {

bool BindAddress::read(const config::Node& node, BindAddress& out, config::ReadContext& context) {
  std::string text;
  if (!config::read_text(node, text, context)) return false;
  const auto address = net::Address::parse(text);
  if (!address) {
    context
        .wrong_value(node, "bad_address", std::string("is no address: ") + address.error().what,
                     "address:port, such as 127.0.0.1:8080 or [::1]:8080")
        .help = "127.0.0.1 and [::1] are for this machine alone, 0.0.0.0 and [::] for all who can reach it";
    return false;
  }
  out = {.address = *address, .text = std::move(text), .place = node.place()};
  return true;
}

void BindAddress::schema(config::SchemaWriter& schema) {
  schema.pattern("^(\\[[0-9a-fA-F:.]+\\]|[0-9.]+):[0-9]{1,5}$");
}

AdminConfig::AdminConfig() {
  bind.text = "127.0.0.1:9900";
  bind.address = net::Address::parse(bind.text).value();
}

const char* AccessLogConfig::check(const AccessLogConfig& config) {
  const bool is_word = config.to == "stdout" || config.to == "stderr" || config.to == "off";
  return is_word || config.to.find('/') != std::string::npos ? nullptr
                                                             : "`to` is none of `stdout`, `stderr` and `off`, and no "
                                                               "path of a file: a path has a slash, as `./access.log`";
}

bool RouteTargets::read(const config::Node& node, RouteTargets& out, config::ReadContext& context) {
  constexpr std::int64_t most = 1'000'000;
  if (node.is_scalar() && node.kind() != config::Kind::null) {
    out.targets = {{.upstream = std::string(node.text()), .weight = 1, .place = node.place()}};
    return true;
  }
  if (!node.is_map() || node.entries().empty()) {
    context.wrong_type(node, "the name of an upstream, or a map of upstreams to weights");
    return false;
  }
  bool is_good = true;
  std::int64_t sum = 0;
  for (const config::Entry& entry : node.entries()) {
    const auto step = context.step(entry.key.text());
    std::int64_t weight = 0;
    is_good &= config::read_integer(entry.value, weight, {.low = 0, .high = most}, context);
    sum += weight;
    out.targets.push_back({std::string(entry.key.text()), static_cast<std::uint32_t>(weight), entry.key.place()});
  }
  if (is_good && sum == 0) {
    context.error(node, "no_weight", "all weights are 0: the route would send nowhere").help =
        "give at least one upstream a weight";
    return false;
  }
  return is_good;
}

void RouteTargets::schema(config::SchemaWriter& schema) {
  schema.any_of({[&] { schema.text(); }, [&] { schema.map([&] { schema.integer({.low = 0, .high = 1'000'000}); }); }});
}

void RouteTargets::dump(const RouteTargets& value, config::JsonWriter& json) {
  json.begin_object();
  for (const Target& target : value.targets) {
    json.key(target.upstream);
    json.integer(target.weight);
  }
  json.end_object();
}

}  // namespace sluice::gateway
