#pragma once
// Which reader, schema and dump belong to which type. A member of a config struct may be:
//
//   bool, integers, double, std::string, enums   an enum needs, beside it, for ADL:
//                                                constexpr auto enum_names(Balance) {
//                                                  return std::array{config::EnumName{Balance::random, "random"}, ...};
//                                                }
//   std::chrono durations, Size, Rate, Secret    written as in units.h; Secret as `env:NAME` or `file:/path`
//   std::optional<T>, std::vector<T>, Map<T>     an absent key leaves what the initialiser made
//   Located<T>                                   the value and its place
//   Rare<T>                                      the value, at the cost of a pointer where it is absent
//   a struct with fields()                       field.h
//   a type with its own reader                   static bool read(const config::Node&, T&, config::ReadContext&);
//                                                static void schema(config::SchemaWriter&);
//                                                optional: static void dump(const T&, config::JsonWriter&);
//                                                optional: static constexpr const char* type_text = "host pattern";
//                                                It may have fields() too, for the form that is a map: its read()
//                                                then calls read_struct(node, &out, struct_info<T>(), context).

#include <algorithm>
#include <array>
#include <concepts>
#include <iterator>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "config/field.h"
#include "config/json_writer.h"
#include "config/map.h"
#include "config/rare.h"
#include "config/schema.h"

namespace sluice::config {

template <class E>
struct EnumName {
  E value;
  const char* name;
};
template <class E>
EnumName(E, const char*) -> EnumName<E>;

template <class T>
concept HasOwnReader = requires(const Node& node, T& out, ReadContext& context) {
  { T::read(node, out, context) } -> std::same_as<bool>;
};

namespace detail {

template <class T>
struct Value;

template <class T>
std::span<const std::string_view> names_of() {
  static constexpr auto table = enum_names(T{});
  static const auto names = [] {
    std::array<std::string_view, table.size()> made;
    for (std::size_t i = 0; i < table.size(); ++i) made[i] = table[i].name;
    return made;
  }();
  return names;
}

struct Leaf {
  static const StructInfo* fields() { return nullptr; }
  static constexpr const char* path_suffix = "";
};

}  // namespace detail

// Reads one value; see reader.h for what a failure does.
template <class T>
bool read(const Node& node, T& out, ReadContext& context) {
  return detail::Value<T>::read(node, out, context);
}

// Reads a whole file into `out`. True when nothing is wrong with it; errors may also come from the parse before.
template <HasFields T>
bool read(const Document& document, T& out, Diagnostics& diagnostics) {
  ReadContext context(diagnostics);
  return read(document.root(), out, context);
}

// The value as one line of JSON: only what is in force, secrets as "(secret)".
template <class T>
std::string dump(const T& value, JsonWriter::Layout layout = JsonWriter::Layout::one_line) {
  JsonWriter json(layout);
  if (!detail::Value<T>::dump(value, json)) return "null";
  return json.result();
}

bool dump_struct(const void* object, const StructInfo& info, JsonWriter& json);

template <class T>
const ValueOps* value_ops() {
  using V = detail::Value<T>;
  static constexpr ValueOps ops{
      .read = [](const Node& node, void* out, ReadContext& c) { return V::read(node, *static_cast<T*>(out), c); },
      .schema = V::schema,
      .dump = [](const void* value, JsonWriter& json) { return V::dump(*static_cast<const T*>(value), json); },
      .type_name = V::type_name,
      .fields = V::fields,
      .path_suffix = V::path_suffix,
  };
  return &ops;
}

namespace detail {

template <>
struct Value<bool> : Leaf {
  static bool read(const Node& node, bool& out, ReadContext& context) { return read_bool(node, out, context); }
  static void schema(SchemaWriter& schema) { schema.boolean(); }
  static bool dump(bool value, JsonWriter& json) { return json.boolean(value), true; }
  static void type_name(std::string& out) { out += "true or false"; }
};

template <std::integral T>
struct Value<T> : Leaf {
  static constexpr Range type_range{range_end(std::numeric_limits<T>::min()), range_end(std::numeric_limits<T>::max())};
  static bool read(const Node& node, T& out, ReadContext& context) {
    std::int64_t wide = 0;
    if (!read_integer(node, wide, type_range, context)) return false;
    out = static_cast<T>(wide);
    return true;
  }
  static void schema(SchemaWriter& schema) { schema.integer(type_range); }
  static bool dump(T value, JsonWriter& json) { return json.integer(range_end(value)), true; }
  static void type_name(std::string& out) { out += "integer"; }
};

template <>
struct Value<double> : Leaf {
  static bool read(const Node& node, double& out, ReadContext& context) { return read_real(node, out, context); }
  static void schema(SchemaWriter& schema) { schema.real(); }
  static bool dump(double value, JsonWriter& json) { return json.real(value), true; }
  static void type_name(std::string& out) { out += "number"; }
};

template <>
struct Value<std::string> : Leaf {
  static bool read(const Node& node, std::string& out, ReadContext& context) { return read_text(node, out, context); }
  static void schema(SchemaWriter& schema) { schema.text(); }
  static bool dump(const std::string& value, JsonWriter& json) { return json.text(value), true; }
  static void type_name(std::string& out) { out += "text"; }
};

template <class Rep, class Period>
struct Value<std::chrono::duration<Rep, Period>> : Leaf {
  using T = std::chrono::duration<Rep, Period>;
  static bool read(const Node& node, T& out, ReadContext& context) {
    std::chrono::nanoseconds exact{};
    if (!read_duration(node, exact, std::chrono::nanoseconds(T{1}), context)) return false;
    out = std::chrono::duration_cast<T>(exact);
    return true;
  }
  static void schema(SchemaWriter& schema) { schema.duration(); }
  static bool dump(T value, JsonWriter& json) { return json.text(format(std::chrono::nanoseconds(value))), true; }
  static void type_name(std::string& out) { out += "duration"; }
};

template <>
struct Value<Size> : Leaf {
  static bool read(const Node& node, Size& out, ReadContext& context) { return read_size(node, out, context); }
  static void schema(SchemaWriter& schema) { schema.size(); }
  static bool dump(Size value, JsonWriter& json) { return json.text(format(value)), true; }
  static void type_name(std::string& out) { out += "size"; }
};

template <>
struct Value<Rate> : Leaf {
  static bool read(const Node& node, Rate& out, ReadContext& context) { return read_rate(node, out, context); }
  static void schema(SchemaWriter& schema) { schema.rate(); }
  static bool dump(Rate value, JsonWriter& json) { return json.text(format(value)), true; }
  static void type_name(std::string& out) { out += "rate"; }
};

template <>
struct Value<Secret> : Leaf {
  static bool read(const Node& node, Secret& out, ReadContext& context) { return read_secret(node, out, context); }
  static void schema(SchemaWriter& schema) { schema.pattern("^(env:.+|file:/.+)$"); }
  static bool dump(const Secret& value, JsonWriter& json) {
    if (value.is_empty()) return false;
    return json.text("(secret)"), true;
  }
  static void type_name(std::string& out) { out += "secret"; }
};

template <class T>
  requires std::is_enum_v<T>
struct Value<T> : Leaf {
  static bool read(const Node& node, T& out, ReadContext& context) {
    std::size_t index = 0;
    if (!read_choice(node, index, names_of<T>(), context)) return false;
    out = enum_names(T{})[index].value;
    return true;
  }
  static void schema(SchemaWriter& schema) { schema.choice(names_of<T>()); }
  static bool dump(T value, JsonWriter& json) {
    for (const auto& row : enum_names(T{}))
      if (row.value == value) return json.text(row.name), true;
    return false;
  }
  static void type_name(std::string& out) {
    const char* separator = "`";
    for (const std::string_view name : names_of<T>()) {
      (out += separator) += name;
      separator = "`, `";
    }
    out += '`';
  }
};

template <class T>
struct Value<std::optional<T>> {
  static bool read(const Node& node, std::optional<T>& out, ReadContext& context) {
    T value{};
    if (!Value<T>::read(node, value, context)) return false;
    out = std::move(value);
    return true;
  }
  static void schema(SchemaWriter& schema) { Value<T>::schema(schema); }
  static bool dump(const std::optional<T>& value, JsonWriter& json) { return value && Value<T>::dump(*value, json); }
  static void type_name(std::string& out) { Value<T>::type_name(out); }
  static const StructInfo* fields() { return Value<T>::fields(); }
  static constexpr const char* path_suffix = Value<T>::path_suffix;
};

template <class T>
struct Value<Located<T>> {
  static bool read(const Node& node, Located<T>& out, ReadContext& context) {
    out.place = node.place();
    return Value<T>::read(node, out.value, context);
  }
  static void schema(SchemaWriter& schema) { Value<T>::schema(schema); }
  static bool dump(const Located<T>& value, JsonWriter& json) { return Value<T>::dump(value.value, json); }
  static void type_name(std::string& out) { Value<T>::type_name(out); }
  static const StructInfo* fields() { return Value<T>::fields(); }
  static constexpr const char* path_suffix = Value<T>::path_suffix;
};

template <class T>
struct Value<Rare<T>> {
  static bool read(const Node& node, Rare<T>& out, ReadContext& context) {
    T value{};
    const bool is_good = Value<T>::read(node, value, context);
    out = Rare<T>(std::move(value));
    return is_good;
  }
  static void schema(SchemaWriter& schema) { Value<T>::schema(schema); }
  static bool dump(const Rare<T>& value, JsonWriter& json) { return Value<T>::dump(*value, json); }
  static void type_name(std::string& out) { Value<T>::type_name(out); }
  static const StructInfo* fields() { return Value<T>::fields(); }
  static constexpr const char* path_suffix = Value<T>::path_suffix;
};

template <class T>
struct Value<std::vector<T>> {
  static bool read(const Node& node, std::vector<T>& out, ReadContext& context) {
    if (!check_list(node, context)) return false;
    std::vector<T> made;
    if (!node.is_list()) {
      if (T value{}; Value<T>::read(node, value, context))
        return made.push_back(std::move(value)), out = std::move(made), true;
      return false;
    }
    made.reserve(node.items().size());
    bool is_good = true;
    for (const Node& item : node.items()) {
      const auto step = context.step(made.size());
      is_good &= Value<T>::read(item, made.emplace_back(), context);
    }
    out = std::move(made);
    return is_good;
  }
  static void schema(SchemaWriter& schema) {
    schema.list([&] { Value<T>::schema(schema); });
  }
  static bool dump(const std::vector<T>& values, JsonWriter& json) {
    json.begin_array();
    for (const T& value : values) (void)Value<T>::dump(value, json);  // an element without a form is left out
    return json.end_array(), true;
  }
  static void type_name(std::string& out) { Value<T>::type_name(out += "list of "); }
  static const StructInfo* fields() { return Value<T>::fields(); }
  static constexpr const char* path_suffix = "[]";
};

template <class T>
struct Value<Map<T>> {
  static bool read(const Node& node, Map<T>& out, ReadContext& context) {
    if (!check_map(node, context)) return false;
    Map<T> made;
    made.entries.reserve(node.entries().size());
    bool is_good = true;
    for (const auto& [key, value] : node.entries()) {
      const auto step = context.step(key.text());
      auto& entry = made.entries.emplace_back(std::string(key.text()), key.place());
      is_good &= Value<T>::read(value, entry.value, context);
    }
    // A key that is given twice was reported; what stands under each is still known to the checks that follow.
    std::ranges::move(made.entries, std::back_inserter(out.entries));
    return is_good;
  }
  static void schema(SchemaWriter& schema) {
    schema.map([&] { Value<T>::schema(schema); });
  }
  static bool dump(const Map<T>& map, JsonWriter& json) {
    json.begin_object();
    for (const auto& entry : map) {
      json.key(entry.key);
      if (!Value<T>::dump(entry.value, json)) json.text("(not shown)");
    }
    return json.end_object(), true;
  }
  static void type_name(std::string& out) { Value<T>::type_name(out += "map of "); }
  static const StructInfo* fields() { return Value<T>::fields(); }
  static constexpr const char* path_suffix = ".*";
};

template <class T>
  requires(HasFields<T> && !HasOwnReader<T>)
struct Value<T> {
  static bool read(const Node& node, T& out, ReadContext& context) {
    return read_struct(node, &out, struct_info<T>(), context);
  }
  static void schema(SchemaWriter& schema) { schema.structure(struct_info<T>()); }
  static bool dump(const T& value, JsonWriter& json) { return dump_struct(&value, struct_info<T>(), json); }
  static void type_name(std::string& out) { out += "map"; }
  static const StructInfo* fields() { return &struct_info<T>(); }
  static constexpr const char* path_suffix = "";
};

template <HasOwnReader T>
struct Value<T> {
  static bool read(const Node& node, T& out, ReadContext& context) { return T::read(node, out, context); }
  static void schema(SchemaWriter& schema) { T::schema(schema); }
  static bool dump(const T& value, JsonWriter& json) {
    if constexpr (requires { T::dump(value, json); }) {
      return T::dump(value, json), true;
    } else if constexpr (HasFields<T>) {
      return dump_struct(&value, struct_info<T>(), json);
    } else {
      return false;
    }
  }
  static void type_name(std::string& out) {
    if constexpr (requires { T::type_text; }) {
      out += T::type_text;
    } else {
      out += "value";
    }
  }
  static const StructInfo* fields() {
    if constexpr (HasFields<T>) {
      return &struct_info<T>();
    } else {
      return nullptr;
    }
  }
  static constexpr const char* path_suffix = "";
};

}  // namespace detail
}  // namespace sluice::config
