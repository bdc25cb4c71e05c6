// Reading and asking `header:` and `query:` conditions.

#include <algorithm>
#include <array>

#include "config/suggest.h"
#include "route/config.h"
#include "route/regex_fault.h"

namespace sluice::route {
namespace {

using config::Node;
using config::ReadContext;

constexpr std::array<std::string_view, 4> match_keys{"exact", "prefix", "regex", "present"};

// Fields that have become facts of the request before routes are asked (http/message.h).
constexpr std::array<std::string_view, 9> framing_fields{"content-length", "transfer-encoding", "connection",
                                                         "keep-alive",     "proxy-connection",  "te",
                                                         "trailer",        "upgrade",           "expect"};

bool read_regex(const Node& node, StringMatch& out, ReadContext& context) {
  if (!config::read_text(node, out.text, context)) return false;
  RegexFault fault;
  out.regex = Regex::make(out.text, RegexSubject::value, fault);
  if (out.regex == nullptr) report_regex_fault(node, fault, context);
  return out.regex != nullptr;
}

bool read_present(const Node& node, StringMatch& out, ReadContext& context) {
  bool is_present = true;
  if (!config::read_bool(node, is_present, context)) return false;
  out.kind = is_present ? StringMatch::Kind::present : StringMatch::Kind::absent;
  return true;
}

bool is_field_name(std::string_view name) {
  const auto is_good = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || std::string_view("!#$%&'*+-.^_`|~").contains(c);
  };
  return !name.empty() && std::ranges::all_of(name, is_good);
}

// Why a lower-case header name can never be seen; "" when it can.
std::string_view refusal_of(std::string_view name, std::string_view& help) {
  help = {};
  if (!is_field_name(name)) return "this is no header name";
  if (name == "host") return help = "write a `host` condition", "the host is not matched as a header";
  if (std::ranges::find(framing_fields, name) != framing_fields.end())
    return help = "framing and hop-by-hop headers belong to the connection", "routes do not see this header";
  return {};
}

// Reads a map of name to condition. `accept(key, name)` makes the name canonical, or reports why not.
template <class Accept>
bool read_named(const Node& node, std::vector<NamedMatch>& out, ReadContext& context, Accept accept) {
  if (!config::check_map(node, context)) return false;
  std::vector<NamedMatch> made;
  made.reserve(node.entries().size());
  bool is_good = true;
  for (const auto& [key, value] : node.entries()) {
    const auto step = context.step(key.text());
    NamedMatch one{.name = std::string(key.text()), .place = key.place()};
    is_good &= accept(key, one.name) && StringMatch::read(value, one.match, context);
    const auto same = std::ranges::find(made, one.name, &NamedMatch::name);
    if (same != made.end()) {
      auto& added = context.error(key, "duplicate_key", "'" + one.name + "' is given twice");
      added.notes.emplace_back("first given here", same->place);
      is_good = false;
    }
    made.push_back(std::move(one));
  }
  out = std::move(made);
  return is_good;
}

void dump_named(const std::vector<NamedMatch>& list, config::JsonWriter& json) {
  json.begin_object();
  for (const NamedMatch& one : list) {
    json.key(one.name);
    StringMatch::dump(one.match, json);
  }
  json.end_object();
}

}  // namespace

bool StringMatch::holds(std::string_view value) const {
  switch (kind) {
    case Kind::exact:
      return value == text;
    case Kind::prefix:
      return value.starts_with(text);
    case Kind::regex:
      return regex->matches(value);
    case Kind::present:
      return true;
    case Kind::absent:
      return false;
  }
  return false;
}

std::string StringMatch::describe() const {
  switch (kind) {
    case Kind::exact:
      return "exactly '" + text + "'";
    case Kind::prefix:
      return "text that starts with '" + text + "'";
    case Kind::regex:
      return "text that matches /" + text + "/";
    case Kind::present:
      return "any value";
    case Kind::absent:
      return "none";
  }
  return {};
}

bool StringMatch::read(const Node& node, StringMatch& out, ReadContext& context) {
  StringMatch made;
  if (node.is_list() || node.kind() == config::Kind::null) {
    context.wrong_type(node, "text, or one of `{exact: ..}`, `{prefix: ..}`, `{regex: ..}`, `{present: true}`");
    return false;
  }
  if (!node.is_map()) {
    if (!config::read_text(node, made.text, context)) return false;
    out = std::move(made);
    return true;
  }
  if (node.entries().size() != 1) {
    context.error(node, "bad_match", "want one condition, found " + std::to_string(node.entries().size())).want =
        "want one of exact, prefix, regex, present";
    return false;
  }
  const auto& [key, value] = node.entries().front();
  const auto step = context.step(key.text());
  const std::string_view name = key.text();
  bool is_good = true;
  if (name == "exact") {
    is_good = config::read_text(value, made.text, context);
  } else if (name == "prefix") {
    made.kind = Kind::prefix;
    is_good = config::read_text(value, made.text, context);
  } else if (name == "regex") {
    made.kind = Kind::regex;
    is_good = read_regex(value, made, context);
  } else if (name == "present") {
    is_good = read_present(value, made, context);
  } else {
    context.unknown_key(key, match_keys);
    is_good = false;
  }
  if (is_good) out = std::move(made);
  return is_good;
}

void StringMatch::schema(config::SchemaWriter& schema) {
  schema.any_of({[&] { schema.text(); },
                 [&] {
                   schema.object(true, [&] {
                     schema.property("exact", "The whole value.", [&] { schema.text(); });
                     schema.property("prefix", "What the value starts with.", [&] { schema.text(); });
                     schema.property("regex", "RE2 regular expression that the whole value matches.",
                                     [&] { schema.text(); });
                     schema.property("present", "Whether there is any value.", [&] { schema.boolean(); });
                   });
                 }});
}

void StringMatch::dump(const StringMatch& value, config::JsonWriter& json) {
  if (value.kind == Kind::exact) return json.text(value.text);
  json.begin_object();
  if (value.kind == Kind::present || value.kind == Kind::absent) {
    json.key("present");
    json.boolean(value.kind == Kind::present);
  } else {
    json.member(value.kind == Kind::prefix ? "prefix" : "regex", value.text);
  }
  json.end_object();
}

bool HeaderMatches::read(const Node& node, HeaderMatches& out, ReadContext& context) {
  return read_named(node, out.list, context, [&](const Node& key, std::string& name) {
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    std::string_view help;
    const std::string_view refusal = refusal_of(name, help);
    if (refusal.empty()) return true;
    context.error(key, "bad_header_name", std::string(refusal)).help = help;
    return false;
  });
}

bool QueryMatches::read(const Node& node, QueryMatches& out, ReadContext& context) {
  return read_named(node, out.list, context, [&](const Node& key, std::string& name) {
    if (!name.empty()) return true;
    context.error(key, "bad_query_name", "a query parameter has a name").want = "want a name, decoded";
    return false;
  });
}

void HeaderMatches::schema(config::SchemaWriter& schema) {
  schema.map([&] { StringMatch::schema(schema); });
}
void QueryMatches::schema(config::SchemaWriter& schema) {
  schema.map([&] { StringMatch::schema(schema); });
}
void HeaderMatches::dump(const HeaderMatches& value, config::JsonWriter& json) { dump_named(value.list, json); }
void QueryMatches::dump(const QueryMatches& value, config::JsonWriter& json) { dump_named(value.list, json); }

}  // namespace sluice::route
