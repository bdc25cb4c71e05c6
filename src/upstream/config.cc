#include "upstream/config.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace sluice::upstream {

namespace {

constexpr const char* wanted_address = "address:port, such as 127.0.0.1:7001 or [::1]:7001";

// `users.internal`, `users:80`: what somebody meant as a name. Not `1.2.3` and not `fd00::1`.
bool is_like_a_name(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon != text.rfind(':') || text.starts_with('[')) return false;
  const std::string_view host = text.substr(0, colon);
  return std::any_of(host.begin(), host.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
}

bool is_unspecified(const net::Address& address) {
  const std::size_t first = address.is_v4 ? 12 : 0;
  return std::all_of(address.ip.begin() + first, address.ip.end(), [](std::uint8_t byte) { return byte == 0; });
}

Duration pick(Duration base, const std::optional<std::chrono::milliseconds>& change) {
  return change ? Duration(*change) : base;
}

}  // namespace

bool EndpointConfig::Target::read(const config::Node& node, Target& out, config::ReadContext& context) {
  std::string text;
  if (!config::read_text(node, text, context)) return false;
  const auto reject = [&](const char* code, const char* what, const char* help) {
    context.wrong_value(node, code, what, wanted_address).help = help;
    return false;
  };
  if (text.find("://") != std::string::npos)
    return reject("bad_address", "is a URL", "an endpoint has no scheme and no path: leave them out");
  if (is_like_a_name(text))
    return reject("endpoint_name", "is a name",
                  "endpoint names (DNS) are not supported yet: write the address that the name stands for");
  const auto address = net::Address::parse(text);
  if (!address) {
    context.wrong_value(node, "bad_address", std::string("is no address: ") + address.error().what, wanted_address);
    return false;
  }
  if (address->port == 0) return reject("bad_address", "has port 0", "write the port that the service listens on");
  if (is_unspecified(*address))
    return reject("bad_address", "is no place to connect to", "for a service on this machine write 127.0.0.1 or [::1]");
  out = {.address = *address, .text = address->text(), .place = node.place()};
  return true;
}

void EndpointConfig::Target::schema(config::SchemaWriter& schema) {
  schema.pattern("^(\\[[0-9a-fA-F:.]+\\]|[0-9.]+):[1-9][0-9]{0,4}$");
}

bool EndpointConfig::read(const config::Node& node, EndpointConfig& out, config::ReadContext& context) {
  if (node.is_map()) return config::read_struct(node, &out, config::struct_info<EndpointConfig>(), context);
  if (node.is_list() || node.kind() == config::Kind::null) {
    context.wrong_type(node, "an address:port, or a map with `address` and `weight`");
    return false;
  }
  out.place = node.place();
  return Target::read(node, out.address, context);
}

void EndpointConfig::schema(config::SchemaWriter& schema) {
  schema.any_of({[&] { Target::schema(schema); }, [&] { schema.structure(config::struct_info<EndpointConfig>()); }});
}

config::Fault UpstreamTlsConfig::check(const UpstreamTlsConfig& config) {
  if (config.cert->empty() != config.key->empty())
    return {.what = "`cert` and `key` belong together: one of them is missing"};
  if (config.insecure_skip_verify && !config.ca->empty())
    return {.what = "`ca` says who is trusted, and `insecure_skip_verify` that anybody is", .field = "ca"};
  return {};
}

bool UpstreamConfig::read(const config::Node& node, UpstreamConfig& out, config::ReadContext& context) {
  bool is_good = config::read_struct(node, &out, config::struct_info<UpstreamConfig>(), context);
  if (out.endpoints.size() > max_endpoints) {
    context.error(*node.find("endpoints"), "too_many", "more than 4096 endpoints in one upstream").help =
        "split the upstream, and the route's `to` by weight";
    return false;
  }
  const auto step = context.step("endpoints");
  std::map<std::string_view, config::Place> seen;
  for (std::size_t i = 0; i < out.endpoints.size(); ++i) {
    const EndpointConfig::Target& target = out.endpoints[i].address;
    if (target.text.empty()) continue;  // reported already
    const auto [first, is_new] = seen.emplace(target.text, target.place);
    if (is_new) continue;
    const auto inner = context.step(i);
    auto& added = context.diagnostics().error(target.place, "duplicate_endpoint", context.path(),
                                              "the endpoint " + target.text + " is given twice");
    added.help = "to send it more requests give it a `weight`";
    added.notes.push_back({"first given here", first->second});
    is_good = false;
  }
  return is_good;
}

void UpstreamConfig::schema(config::SchemaWriter& schema) { schema.structure(config::struct_info<UpstreamConfig>()); }

config::Fault UpstreamConfig::check(const UpstreamConfig& config) {
  if (config.proxy_protocol == ProxyProtocol::off || config.protocol != Protocol::http2) return {};
  return {
      .what = "a PROXY header tells of one client, and the requests of many share a connection of HTTP/2",
      .field = "proxy_protocol",
      .help =
          "leave `protocol: http2` out, or `proxy_protocol`: the policy `forwarded` tells of each request's client"};
}

Protocol UpstreamConfig::spoken() const { return proxy_protocol == ProxyProtocol::off ? protocol : Protocol::http1; }

std::vector<std::string> UpstreamConfig::alpn() const {
  if (spoken() == Protocol::http1) return {"http/1.1"};
  return protocol == Protocol::http2 ? std::vector<std::string>{"h2"} : std::vector<std::string>{"h2", "http/1.1"};
}

Timeouts merge(const Timeouts& base, const TimeoutsConfig& changes) {
  return {.connect = pick(base.connect, changes.connect),
          .first_byte = pick(base.first_byte, changes.first_byte),
          .idle = pick(base.idle, changes.idle),
          .request = pick(base.request, changes.request)};
}

}  // namespace sluice::upstream
