// Tells the upstream who the client is, and believes only trusted proxies about it (security invariant I4, row J12).
//
// From a peer that is not trusted, every field by which it could speak for somebody else is removed: Forwarded,
// X-Real-IP, Client-Cert and all of X-Forwarded-*, with `-` and `_` as equals. From a trusted one, the client is the
// rightmost address of X-Forwarded-For (or of Forwarded) that is not itself trusted.

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "net/security.h"
#include "policies/forwarded/config.h"
#include "policy/kind.h"

namespace sluice::policies::forwarded {

namespace {

using policy::Exchange;
using policy::Verdict;

constexpr std::string_view for_name = "x-forwarded-for", proto_name = "x-forwarded-proto",
                           host_name = "x-forwarded-host";

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// An address as proxies write it: bare, quoted, in brackets, with or without a port.
std::optional<net::Address> address_of(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  const auto bare = net::Address::parse_ip(text);
  if (bare) return *bare;
  if (text.starts_with('[') && text.ends_with(']')) {
    const auto inner = net::Address::parse_ip(text.substr(1, text.size() - 2));
    return inner ? std::optional(*inner) : std::nullopt;
  }
  auto with_port = net::Address::parse(text);
  if (!with_port) return std::nullopt;
  with_port->port = 0;
  return *with_port;
}

// The `for` of one element of Forwarded: `for=192.0.2.43;proto=https`.
std::string_view for_of(std::string_view element) {
  while (!element.empty()) {
    const std::size_t end = std::min(element.find(';'), element.size());
    const std::string_view pair = trim(element.substr(0, end));
    if (pair.size() > 4 && (pair[0] | 0x20) == 'f' && (pair[1] | 0x20) == 'o' && (pair[2] | 0x20) == 'r' &&
        pair[3] == '=')
      return pair.substr(4);
    element.remove_prefix(std::min(end + 1, element.size()));
  }
  return {};
}

class Forwarded final : public policy::Policy {
 public:
  explicit Forwarded(const Config& config) : config_(config) {}

  Verdict on_request(Exchange& exchange) const override {
    const bool is_believed = is_trusted(exchange.facts().peer);
    if (is_believed) {
      believe(exchange);
    } else {
      remove_claims(exchange.upstream_request().fields);
    }
    write_certificate(exchange);
    if (config_.x_forwarded) write_x_forwarded(exchange, is_believed);
    if (config_.rfc7239) write_forwarded(exchange, is_believed);
    if (exchange.is_heard())
      exchange.tell(
          fmt::format("client is {}{}", exchange.client().ip_text(), is_believed ? ", told by a trusted proxy" : ""));
    return Verdict::next;
  }

 private:
  bool is_trusted(const net::Address& address) const {
    return std::ranges::any_of(config_.trusted,
                               [&](const policy::AddressBlock& trusted) { return trusted.block.contains(address); });
  }

  static bool is_claim(std::string_view name) {
    constexpr std::string_view family = "x-forwarded-";
    const auto equal = [](char a, char b) { return (a == '_' ? '-' : a) == b; };
    const auto folds_to = [&](std::string_view wanted) { return std::ranges::equal(name, wanted, equal); };
    return folds_to("forwarded") || folds_to("x-real-ip") || folds_to("client-cert") || folds_to("client-cert-chain") ||
           (name.size() > family.size() && std::ranges::equal(name.substr(0, family.size()), family, equal));
  }

  static void remove_claims(http::FieldList& fields) {
    for (std::size_t i = 0; i < fields.size();) {
      if (is_claim(fields[i].name)) {
        fields.remove(fields[i].name);
        i = 0;
      } else {
        ++i;
      }
    }
  }

  // Walks the list from its right end, the hop nearest to us, past trusted proxies. False when it ends in something
  // that is no address: then the last trusted hop is all that is known.
  bool walk(std::string_view list, std::string_view (*part)(std::string_view), Exchange& exchange) const {
    while (!list.empty()) {
      const std::size_t comma = list.rfind(',');
      const std::string_view element = comma == std::string_view::npos ? list : list.substr(comma + 1);
      list = comma == std::string_view::npos ? std::string_view() : list.substr(0, comma);
      const auto address = address_of(part(element));
      if (!address) return false;
      exchange.set_client(*address);
      if (!is_trusted(*address)) return true;
    }
    return true;
  }

  void believe(Exchange& exchange) const {
    const http::FieldList& fields = exchange.request().fields;
    if (fields.find(http::FieldId::x_forwarded_for) != nullptr) {
      walk_lines(http::FieldId::x_forwarded_for, [](std::string_view element) { return element; }, exchange);
    } else {
      walk_lines(http::FieldId::forwarded, for_of, exchange);
    }
    for (const http::Field& field : fields) {
      if (field.id != http::FieldId::x_forwarded_proto) continue;
      if (field.value == "https") exchange.set_client_scheme(http::Scheme::https);
      if (field.value == "http") exchange.set_client_scheme(http::Scheme::http);
    }
  }

  // Several lines are one list (RFC 9110 section 5.3); the last line is the nearest.
  void walk_lines(http::FieldId id, std::string_view (*part)(std::string_view), Exchange& exchange) const {
    const http::FieldList& fields = exchange.request().fields;
    for (std::size_t i = fields.size(); i > 0; --i) {
      if (fields[i - 1].id != id) continue;
      if (!walk(fields[i - 1].value, part, exchange) || !is_trusted(exchange.client())) return;
    }
  }

  // RFC 9440 section 2.2: the certificate that the client itself has shown stands in place of any that was told.
  static void write_certificate(Exchange& exchange) {
    const net::Security* const security = exchange.facts().security;
    if (security == nullptr || security->client_certificate.empty()) return;
    http::FieldList& fields = exchange.upstream_request().fields;
    fields.remove("client-cert");
    fields.remove("client-cert-chain");
    fields.add(exchange.arena(), "client-cert", exchange.arena().join(":", security->client_certificate, ":"));
  }

  static std::string_view scheme_text(const Exchange& exchange) {
    return exchange.client_scheme() == http::Scheme::https ? "https" : "http";
  }

  void write_x_forwarded(Exchange& exchange, bool is_believed) const {
    http::FieldList& fields = exchange.upstream_request().fields;
    std::string_view chain = exchange.peer_ip();
    if (is_believed) {
      for (std::size_t i = exchange.request().fields.size(); i > 0; --i) {
        const http::Field& field = exchange.request().fields[i - 1];
        if (field.id == http::FieldId::x_forwarded_for) chain = exchange.arena().join(field.value, ", ", chain);
      }
      fields.remove(for_name);
    }
    fields.add(exchange.arena(), {.name = for_name, .value = chain, .id = http::FieldId::x_forwarded_for});
    if (is_believed) fields.remove(proto_name);
    fields.add(exchange.arena(),
               {.name = proto_name, .value = scheme_text(exchange), .id = http::FieldId::x_forwarded_proto});
    write_host(exchange);
  }

  // What a trusted proxy has told stands; several lines of it are one list (RFC 9110 section 5.3).
  static void write_host(Exchange& exchange) {
    http::FieldList& fields = exchange.upstream_request().fields;
    std::string_view told;
    int lines = 0;
    fields.each(host_name, [&](const http::Field& field) {
      ++lines;
      if (field.value.empty()) return;
      told = told.empty() ? field.value : exchange.arena().join(told, ", ", field.value);
    });
    if (lines == 1) return;
    if (told.empty()) told = exchange.request().authority;
    fields.remove(host_name);
    if (told.empty()) return;
    fields.add(exchange.arena(), {.name = host_name, .value = told, .id = http::FieldId::x_forwarded_host});
  }

  void write_forwarded(Exchange& exchange, bool is_believed) const {
    http::FieldList& fields = exchange.upstream_request().fields;
    const net::Address& peer = exchange.facts().peer;
    const std::string_view open = peer.is_v4 ? "for=" : "for=\"[", close = peer.is_v4 ? "" : "]\"";
    std::string_view value = exchange.arena().join(open, exchange.peer_ip(), close, ";host=\"",
                                                   exchange.request().authority, "\";proto=", scheme_text(exchange));
    if (is_believed) {
      for (std::size_t i = fields.size(); i > 0; --i)
        if (fields[i - 1].id == http::FieldId::forwarded)
          value = exchange.arena().join(fields[i - 1].value, ", ", value);
      fields.remove("forwarded");
    }
    fields.add(exchange.arena(), {.name = "forwarded", .value = value, .id = http::FieldId::forwarded});
  }

  const Config config_;
};

std::unique_ptr<const policy::Policy> make(const Config& config, policy::CompileContext&) {
  return std::make_unique<Forwarded>(config);
}

const policy::Kind made = policy::make_kind<Config, make>({
    .name = "forwarded",
    .stage = policy::Stage::edge,
    .summary =
        "Tells the upstream the client's address, scheme and host, and believes only trusted proxies about them.",
    .is_on_by_default = true,
});

}  // namespace

const policy::Kind& kind = made;

}  // namespace sluice::policies::forwarded
