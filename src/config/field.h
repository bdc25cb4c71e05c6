#pragma once
// One struct and one table of its fields: parser, defaults, diagnostics, JSON Schema, manual and dump all come from it.
//
//   struct Config {
//     std::uint32_t requests = 100;                 // the default is the member's initialiser
//     std::chrono::milliseconds window{1000};
//     config::Place place;                          // optional: filled with where the struct was given
//
//     static constexpr const char* doc = "Limits requests.";   // optional
//     static constexpr auto fields() {
//       using config::field;
//       return std::tuple{
//           field("requests", &Config::requests, 1u, 1'000'000u, "Requests admitted per window and client key.")
//               .help("to refuse every request use the `deny` policy"),
//           field("window", &Config::window, 1ms, 24h, "Length of the window."),
//       };
//     }
//     // Optional, for rules no single range can state: nullptr, or what is wrong. Runs only when every field is good.
//     // It may return a config::Fault instead, which names the field to point at.
//     static const char* check(const Config& c);
//   };
//
// The types a member may have are listed in value.h. Not for anything hot: tables are walked when a config is read.

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "config/place.h"
#include "config/reader.h"
#include "config/units.h"

namespace sluice::config {

class SchemaWriter;
class JsonWriter;

// A cross-field mistake. `what` nullptr: there is none. All static text.
struct Fault {
  const char* what = nullptr;
  const char* field = nullptr;  // key to point at; nullptr: the whole struct
  const char* help = nullptr;
};

// What can be done with values of one type, the type itself forgotten. value_ops<T>() makes it.
struct ValueOps {
  bool (*read)(const Node&, void* out, ReadContext&);
  void (*schema)(SchemaWriter&);                 // adds the type's keywords to the open schema object
  bool (*dump)(const void* value, JsonWriter&);  // false and nothing written: no value worth showing
  void (*type_name)(std::string& out);           // for the manual: "list of text"
  const StructInfo* (*fields)();                 // of the innermost struct; nullptr when there is none
  const char* path_suffix;                       // from the field to that struct: "", "[]", ".*"
};

struct FieldInfo {
  const char* name = "";
  const char* doc = "";
  const char* example_text = nullptr;
  const char* help_text = nullptr;  // shown when the value is bad
  std::optional<Range> range;
  std::optional<RealRange> real_range;
  bool is_required = false;
  bool takes_one_or_many = false;
  bool is_non_empty = false;
  const ValueOps* (*ops)() = nullptr;
  void* (*member)(void* object) = nullptr;
};

struct StructInfo {
  std::string type_name;  // "route.Match": unique, for $defs
  const char* doc;        // nullptr: none
  std::span<const FieldInfo> fields;
  const void* defaults;  // a value as its initialisers leave it
  Fault (*check)(const void* object);
  void (*set_place)(void* object, Place place);  // nullptr: it keeps none
};

// One row of a table. The modifiers return the changed row.
template <class C, class M>
struct Field {
  M C::* member;
  FieldInfo info;

  constexpr Field required() const {
    return with([](FieldInfo& i) { i.is_required = true; });
  }
  // A single value may stand where a list is wanted.
  constexpr Field one_or_many() const {
    return with([](FieldInfo& i) { i.takes_one_or_many = true; });
  }
  // The text, list or map may not be empty, nor may the texts in it.
  constexpr Field non_empty() const {
    return with([](FieldInfo& i) { i.is_non_empty = true; });
  }
  constexpr Field example(const char* text) const {
    return with([&](FieldInfo& i) { i.example_text = text; });
  }
  constexpr Field help(const char* text) const {
    return with([&](FieldInfo& i) { i.help_text = text; });
  }

 private:
  template <class Change>
  constexpr Field with(Change change) const {
    Field copy = *this;
    change(copy.info);
    return copy;
  }
};

constexpr std::int64_t range_end(Size size) { return static_cast<std::int64_t>(size.bytes); }
constexpr std::int64_t range_end(Rate rate) { return static_cast<std::int64_t>(rate.count); }
template <class Rep, class Period>
constexpr std::int64_t range_end(std::chrono::duration<Rep, Period> duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}
template <class T>
  requires std::is_integral_v<T>
constexpr std::int64_t range_end(T value) {
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  return std::cmp_greater(value, most) ? most : static_cast<std::int64_t>(value);
}

// A field without a range (its type's own holds), and one whose innermost values lie in [low, high].
template <class C, class M>
constexpr Field<C, M> field(const char* name, M C::* member, const char* doc) {
  return {.member = member, .info = {.name = name, .doc = doc}};
}
template <class C, class M, class Low, class High>
constexpr Field<C, M> field(const char* name, M C::* member, Low low, High high, const char* doc) {
  Field<C, M> made{.member = member, .info = {.name = name, .doc = doc}};
  if constexpr (std::is_floating_point_v<Low> || std::is_floating_point_v<High>) {
    made.info.real_range = RealRange{static_cast<double>(low), static_cast<double>(high)};
  } else {
    made.info.range = Range{range_end(low), range_end(high)};
  }
  return made;
}

template <class T>
concept HasFields = requires { T::fields(); };

// A field's doc as the end of a sentence: "Requests admitted. More." -> "requests admitted".
std::string meaning_of(const FieldInfo& field);

// "policies.rate_limit.Config" from clang's __PRETTY_FUNCTION__ of a template over that type.
std::string short_type_name(std::string_view pretty_function);

template <class T>
const ValueOps* value_ops();  // value.h

namespace detail {

template <class T>
Fault check_of(const void* object) {
  if constexpr (requires(const T& t) { T::check(t); }) {
    const auto found = T::check(*static_cast<const T*>(object));
    if constexpr (std::is_convertible_v<decltype(found), Fault>) {
      return found;
    } else {
      return Fault{.what = found};
    }
  } else {
    return {};
  }
}

template <class T, std::size_t I>
FieldInfo field_info_of() {
  constexpr auto row = std::get<I>(T::fields());
  using M = std::remove_cvref_t<decltype(std::declval<T&>().*row.member)>;
  FieldInfo info = row.info;
  info.ops = [] { return value_ops<M>(); };
  info.member = [](void* object) -> void* { return &(static_cast<T*>(object)->*std::get<I>(T::fields()).member); };
  return info;
}

template <class T, std::size_t... I>
std::span<const FieldInfo> fields_of(std::index_sequence<I...>) {
  static const std::array<FieldInfo, sizeof...(I)> table{field_info_of<T, I>()...};
  return table;
}

template <class T>
constexpr const char* doc_of() {
  if constexpr (requires { T::doc; }) {
    return T::doc;
  } else {
    return nullptr;
  }
}

template <class T>
constexpr auto place_setter_of() -> void (*)(void*, Place) {
  if constexpr (requires(T& t) { requires std::is_same_v<decltype(t.place), Place>; }) {
    return [](void* object, Place place) { static_cast<T*>(object)->place = place; };
  } else {
    return nullptr;
  }
}

}  // namespace detail

// The table of T, its type forgotten. Made once, on first use; any thread.
template <HasFields T>
const StructInfo& struct_info() {
  static const T defaults{};
  static const StructInfo info{
      .type_name = short_type_name(__PRETTY_FUNCTION__),
      .doc = detail::doc_of<T>(),
      .fields = detail::fields_of<T>(std::make_index_sequence<std::tuple_size_v<decltype(T::fields())>>()),
      .defaults = &defaults,
      .check = detail::check_of<T>,
      .set_place = detail::place_setter_of<T>(),
  };
  return info;
}

}  // namespace sluice::config
