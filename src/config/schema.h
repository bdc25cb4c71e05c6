#pragma once
// JSON Schema (draft 2020-12) from the same tables that the parser reads by: what the schema admits is what reads.
// Not a validator. Editors use the result to complete and to mark; `sluice schema` prints it.

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "config/field.h"
#include "config/json_writer.h"

namespace sluice::config {

// Adds keywords to the schema object that is open. A type with its own reader describes itself with these.
class SchemaWriter {
 public:
  SchemaWriter() : json_(JsonWriter::Layout::indented) {}

  // The schema of T, and of a struct whose type is only known at run time (a policy kind).
  template <class T>
  void value() {
    value_ops<T>()->schema(*this);
  }
  void structure(const StructInfo& info);  // a $ref; the definition is written once

  // Text as written: a plain number or boolean is text where text is wanted.
  void text();
  void pattern(std::string_view regex);  // text that matches; ECMA 262 regular expression
  void integer(Range type_range);
  void real();
  void boolean();
  void duration();
  void size();
  void rate();
  void choice(std::span<const std::string_view> names);
  void list(const std::function<void()>& item);
  void map(const std::function<void()>& value);
  void description(std::string_view text) { json_.member("description", text); }

  // Exactly what one of the alternatives admits; each function adds the keywords of one.
  void any_of(std::span<const std::function<void()>> alternatives);
  void any_of(std::initializer_list<std::function<void()>> list) { any_of(std::span(list.begin(), list.size())); }
  // A map with the keys that `properties` names through property(). `exactly_one`: one of them, alone.
  void object(bool exactly_one, const std::function<void()>& properties);
  void property(std::string_view name, std::string_view doc, const std::function<void()>& value);

  // The whole document for a root struct.
  std::string document(const StructInfo& root, std::string_view title);

 private:
  void definition(const StructInfo& info);
  void field(const FieldInfo& field, const void* defaults);

  JsonWriter json_;
  const FieldInfo* field_ = nullptr;                            // whose range applies
  std::map<std::string, const StructInfo*, std::less<>> seen_;  // referred to, by name
  std::vector<const StructInfo*> pending_;                      // referred to, not yet written
};

template <HasFields T>
std::string schema(std::string_view title) {
  return SchemaWriter().document(struct_info<T>(), title);
}

}  // namespace sluice::config
