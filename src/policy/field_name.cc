#include "policy/field_name.h"

#include <algorithm>
#include <array>

namespace sluice::policy {

namespace {

bool is_token_char(char c) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || others.find(c) != std::string_view::npos;
}

constexpr std::array<std::string_view, 10> generated{"connection",        "content-length",   "expect", "host",
                                                     "keep-alive",        "proxy-connection", "te",     "trailer",
                                                     "transfer-encoding", "upgrade"};

bool read_name(const config::Node& node, std::string& out, config::ReadContext& context) {
  std::string name;
  if (!config::read_text(node, name, context)) return false;
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  if (name.empty() || !std::ranges::all_of(name, is_token_char)) {
    context.wrong_value(node, "bad_header_name", "is no header name", "letters, digits and -");
    return false;
  }
  if (is_generated(name)) {
    context.error(node, "generated_header", "`" + name + "` is written by the gateway itself, from the message's facts")
        .help = name == "host" ? "to send another Host use `rewrite: {host: ...}`" : "leave it out";
    return false;
  }
  out = std::move(name);
  return true;
}

}  // namespace

bool is_generated(std::string_view name) { return std::ranges::find(generated, name) != generated.end(); }

bool FieldName::read(const config::Node& node, FieldName& out, config::ReadContext& context) {
  return read_name(node, out.name, context);
}
void FieldName::schema(config::SchemaWriter& schema) { schema.pattern("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"); }

std::string_view FieldValues::Value::render(Exchange& exchange) const {
  std::string_view text = value.render(exchange);
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

bool FieldValues::read(const config::Node& node, FieldValues& out, config::ReadContext& context) {
  if (!config::check_map(node, context)) return false;
  bool is_good = true;
  for (const config::Entry& entry : node.entries()) {
    const auto step = context.step(entry.key.text());
    Value value;
    const bool is_named = read_name(entry.key, value.name, context);
    is_good = ValueTemplate::read(entry.value, value.value, context) && is_named && is_good;
    out.list.push_back(std::move(value));
  }
  return is_good;
}
void FieldValues::schema(config::SchemaWriter& schema) {
  schema.map([&] { schema.text(); });
}
void FieldValues::dump(const FieldValues& value, config::JsonWriter& json) {
  json.begin_object();
  for (const Value& one : value.list) json.member(one.name, one.value.text());
  json.end_object();
}
void FieldValues::declare(CompileContext& context) const {
  for (const Value& one : list) one.value.declare(context);
}

}  // namespace sluice::policy
