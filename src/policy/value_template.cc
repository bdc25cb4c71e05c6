#include "policy/value_template.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "policy/field_name.h"

namespace sluice::policy {

namespace {

constexpr std::string_view header_prefix = "request.header.";

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}
bool is_text_char(char c) { return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\t'; }

}  // namespace

std::span<const std::string_view> ValueTemplate::variables() {
  static constexpr std::string_view names[] = {"method", "scheme",    "host",       "authority", "path",
                                               "query",  "client.ip", "request.id", "route",     "listener"};
  return names;
}

const char* ValueTemplate::parse_variable(std::string_view name) {
  static constexpr What whats[] = {What::method, What::scheme,    What::host,       What::authority, What::path,
                                   What::query,  What::client_ip, What::request_id, What::route,     What::listener};
  if (name.empty() || !std::ranges::all_of(name, is_name_char))
    return "a variable's name is letters, digits, `_`, `-`, `.`";
  for (std::size_t i = 0; i < std::size(whats); ++i)
    if (variables()[i] == name) return parts_.push_back({whats[i], {}}), nullptr;
  if (name.starts_with(header_prefix) && name.size() > header_prefix.size()) {
    std::string header(name.substr(header_prefix.size()));
    std::ranges::transform(header, header.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    if (header == "host") return "the Host is `{host}`, and with its port `{authority}`";
    if (is_generated(header))
      return "a field about the connection or the framing is not kept: it says nothing of the request";
    return parts_.push_back({What::request_header, std::move(header)}), nullptr;
  }
  if (name.find('.') != std::string_view::npos) return "there is no such variable";
  return parts_.push_back({What::capture, std::string(name)}), nullptr;
}

const char* ValueTemplate::parse(std::string_view text) {
  text_ = text;
  parts_.clear();
  if (!std::ranges::all_of(text, is_text_char)) return "holds a control character";
  std::string literal;
  const auto end_literal = [&] {
    if (!literal.empty()) parts_.push_back({What::literal, std::exchange(literal, {})});
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c != '{' && c != '}') {
      literal += c;
    } else if (at + 1 < text.size() && text[at + 1] == c) {
      literal += c;
      ++at;
    } else if (c == '}') {
      return "has a `}` without its `{`; write `}}` for the character itself";
    } else {
      const std::size_t end = text.find('}', at);
      if (end == std::string_view::npos) return "has a `{` without its `}`; write `{{` for the character itself";
      end_literal();
      if (const char* wrong = parse_variable(text.substr(at + 1, end - at - 1))) return wrong;
      at = end;
    }
  }
  end_literal();
  return nullptr;
}

bool ValueTemplate::read(const config::Node& node, ValueTemplate& out, config::ReadContext& context) {
  std::string text;
  if (!config::read_text(node, text, context)) return false;
  if (const char* wrong = out.parse(text)) {
    context.error(node, "bad_template", "'" + text + "': " + wrong).help =
        "a variable is a capture of the route's path, or one of method, scheme, host, authority, path, query, "
        "client.ip, request.id, "
        "route, listener, request.header.NAME";
    return false;
  }
  out.place_ = node.place();
  return true;
}

void ValueTemplate::schema(config::SchemaWriter& schema) { schema.text(); }
void ValueTemplate::dump(const ValueTemplate& value, config::JsonWriter& json) { json.text(value.text_); }

ValueTemplate ValueTemplate::of(std::string_view text) {
  ValueTemplate made;
  if (made.parse(text) != nullptr) std::abort();
  return made;
}

std::string ValueTemplate::sample(std::string_view stand_in) const {
  std::string out;
  for (const Part& part : parts_) out += part.what == What::literal ? std::string_view(part.text) : stand_in;
  return out;
}
bool ValueTemplate::is_constant() const {
  return std::ranges::all_of(parts_, [](const Part& part) { return part.what == What::literal; });
}

void ValueTemplate::declare(CompileContext& context) const {
  for (const Part& part : parts_)
    if (part.what == What::capture) context.use_capture(part.text, place_);
}

std::string_view ValueTemplate::value_of(const Part& part, Exchange& exchange) {
  const http::Request& request = exchange.request();
  switch (part.what) {
    case What::literal:
      return part.text;
    case What::capture:
      return exchange.capture(part.text);
    case What::method:
      return request.method_name;
    case What::scheme:
      return exchange.client_scheme() == http::Scheme::https ? "https" : "http";
    case What::host:
      return request.host;
    case What::authority:
      return request.authority;
    case What::path:
      return request.path;
    case What::query:
      return request.query;
    case What::client_ip: {
      char* const text = exchange.arena().allocate_bytes(net::Address::most_ip_bytes);
      return {text, exchange.client().write_ip(text)};
    }
    case What::request_id:
      return exchange.id();
    case What::route:
      return exchange.facts().route;
    case What::listener:
      return exchange.facts().listener;
    case What::request_header: {
      const http::Field* const field = request.fields.find(std::string_view(part.text));
      return field == nullptr ? std::string_view() : field->value;
    }
  }
  return {};
}

std::string_view ValueTemplate::render(Exchange& exchange) const {
  if (parts_.empty()) return "";
  if (parts_.size() == 1) return value_of(parts_[0], exchange);
  std::size_t size = 0;
  const auto values = exchange.arena().make_array<std::string_view>(parts_.size());
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    values[i] = value_of(parts_[i], exchange);
    size += values[i].size();
  }
  char* const text = exchange.arena().allocate_bytes(size);
  char* at = text;
  for (const std::string_view value : values) {
    if (!value.empty()) std::memcpy(at, value.data(), value.size());
    at += value.size();
  }
  return {text, size};
}

}  // namespace sluice::policy
