// Reading `host:`, `method:` and the rule over the whole `match:`.

#include <algorithm>

#include "http/canonical.h"
#include "route/config.h"

namespace sluice::route {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

struct Complaint {
  std::string what;
  std::string help;
};

// The mistakes people make, in plain words; what is left to find, the canonical reading finds. `what` empty: nothing.
Complaint find_mistake(std::string_view text) {
  const std::string_view after_brackets =
      text.substr(text.starts_with('[') ? std::min(text.find(']'), text.size()) : 0);
  if (text.contains('/'))
    return {"a host has no scheme and no path", "write the name alone, such as `api.example.com`"};
  if (after_brackets.contains(':') && std::ranges::count(text, ':') > 1 && !text.starts_with('['))
    return {"an IPv6 address stands in brackets", "write `[" + std::string(text) + "]`"};
  if (after_brackets.contains(':'))
    return {"a host condition has no port: ports are not compared",
            "write the host alone; to tell ports apart use `listener`"};
  if (text.contains('*'))
    return {"`*` may only be the whole first label", "write `*.example.com`, or leave `host` out to match every host"};
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
    return {"a host name is ASCII in a request", "write the punycode form: xn--..."};
  return {};
}

bool is_numeric(std::string_view domain) {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  const std::string_view last = domain.substr(domain.rfind('.') + 1);
  return !last.empty() && std::ranges::all_of(last, is_digit);
}

bool is_token_char(char c) { return is_letter(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c); }

}  // namespace

bool HostPattern::read(const config::Node& node, HostPattern& out, config::ReadContext& context) {
  std::string text;
  if (!config::read_text(node, text, context)) return false;
  HostPattern made{.is_wildcard = text.starts_with("*."), .place = node.place()};
  const std::string_view name = std::string_view(text).substr(made.is_wildcard ? 2 : 0);
  Complaint complaint = find_mistake(name);
  if (complaint.what.empty() && made.is_wildcard && (is_numeric(name) || name.starts_with('[')))
    complaint = {"a wildcard cannot stand before an IP address", "list the addresses"};
  if (complaint.what.empty()) {
    Arena arena;
    const auto canonical = http::canonicalise_authority(name, arena);  // as requests are read
    if (canonical) {
      made.name = canonical->host;
    } else {
      complaint = {std::string("no request has this host: ") + canonical.error().detail, ""};
    }
  }
  if (!complaint.what.empty()) {
    auto& added = context.error(node, "bad_host", std::move(complaint.what));
    added.want = "want a host, or `*.` and a domain";
    added.help = std::move(complaint.help);
    return false;
  }
  out = std::move(made);
  return true;
}

void HostPattern::schema(config::SchemaWriter& schema) { schema.pattern("^(\\*\\.)?[^*/:]+$|^\\[[0-9A-Fa-f:.]+\\]$"); }

void HostPattern::dump(const HostPattern& value, config::JsonWriter& json) {
  json.text(value.is_wildcard ? "*." + value.name : value.name);
}

bool MethodName::read(const config::Node& node, MethodName& out, config::ReadContext& context) {
  std::string text;
  if (!config::read_text(node, text, context)) return false;
  std::string upper = text;
  std::ranges::transform(upper, upper.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  if (text.empty() || text.size() > max_method_bytes || !std::ranges::all_of(text, is_token_char)) {
    auto& added = context.error(node, "bad_method", "this is no method");
    added.want = "want a token of at most 32 bytes, such as GET";
    if (text.find_first_of(", |") != std::string::npos) added.help = "several are written as a list: [GET, POST]";
    return false;
  }
  if (text != upper) {
    auto& added = context.error(node, "bad_method", "methods are case-sensitive and in upper case");
    added.help = "write " + upper;
    return false;
  }
  out.name = std::move(text);
  return true;
}

void MethodName::schema(config::SchemaWriter& schema) { schema.pattern("^[0-9A-Z!#$%&'*+.^_`|~-]{1,32}$"); }

config::Fault MatchConfig::check(const MatchConfig& match) {
  if (match.host.size() > max_alternatives / std::max<std::size_t>(match.path.size(), 1))
    return {.what = "hosts times paths of one route are more than 65536",
            .field = "host",
            .help = "make it several routes"};
  return {};
}

}  // namespace sluice::route
