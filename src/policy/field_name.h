#pragma once
// Names of header fields as policies take them from a config: lower case, and never one that the gateway itself
// decides.

#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"
#include "policy/value_template.h"

namespace sluice::policy {

// Whether the gateway itself writes the field, from the message's facts. `name` in lower case.
bool is_generated(std::string_view name);

// One name. Framing and hop-by-hop fields are refused: they are generated from facts (security invariant I2). So is
// Host: `rewrite` has `host`.
struct FieldName {
  std::string name;
  static bool read(const config::Node& node, FieldName& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static void dump(const FieldName& value, config::JsonWriter& json) { json.text(value.name); }
  static constexpr const char* type_text = "header name";
};

// `name: value with {variables}`, in the order of the file.
struct FieldValues {
  struct Value {
    std::string name;
    ValueTemplate value;
    // The value for this exchange, outer white space trimmed as every field's is (RFC 9110 section 5.5): a variable at
    // either end may be empty.
    std::string_view render(Exchange& exchange) const;
  };
  std::vector<Value> list;
  static bool read(const config::Node& node, FieldValues& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static void dump(const FieldValues& value, config::JsonWriter& json);
  static constexpr const char* type_text = "map of header name to text with variables";
  void declare(CompileContext& context) const;
};

}  // namespace sluice::policy
