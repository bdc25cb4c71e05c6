// Reading a map by its field table.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "config/field.h"
#include "config/reader.h"

namespace sluice::config {
namespace {

const FieldInfo* find_field(const StructInfo& info, std::string_view name) {
  for (const FieldInfo& field : info.fields)
    if (name == field.name) return &field;
  return nullptr;
}

void report_unknown_key(const Node& key, const StructInfo& info, ReadContext& context) {
  std::vector<std::string_view> known;
  for (const FieldInfo& field : info.fields) known.push_back(field.name);
  context.unknown_key(key, known);
}

bool check_required(const Node& node, const StructInfo& info, ReadContext& context) {
  bool is_complete = true;
  for (const FieldInfo& field : info.fields) {
    if (!field.is_required || node.find(field.name) != nullptr) continue;
    auto& added = context.error(node, "missing_key", fmt::format("the key '{}' is missing", field.name));
    added.want = fmt::format("want `{}: ...`", field.name);
    if (const std::string meaning = meaning_of(field); !meaning.empty()) added.want += ", " + meaning;
    if (field.example_text != nullptr) added.help = fmt::format("for example {}: {}", field.name, field.example_text);
    is_complete = false;
  }
  return is_complete;
}

bool check_together(const Node& node, const void* object, const StructInfo& info, ReadContext& context) {
  const Fault fault = info.check(object);
  if (fault.what == nullptr) return true;
  const Node* const at = fault.field != nullptr ? node.find(fault.field) : nullptr;
  const auto report = [&](const Node& place) {
    auto& added = context.error(place, "invalid", fault.what);
    if (fault.help != nullptr) added.help = fault.help;
    return false;
  };
  if (at == nullptr) return report(node);
  const auto step = context.step(fault.field);
  return report(*at);
}

}  // namespace

bool read_struct(const Node& node, void* object, const StructInfo& info, ReadContext& context) {
  if (info.set_place != nullptr) info.set_place(object, node.place());
  if (!check_is_map(node, context)) return false;

  const auto outer = context.field_scope();
  bool is_good = true;
  for (const auto& [key, value] : node.entries()) {
    const FieldInfo* const field = find_field(info, key.text());
    if (field == nullptr) {
      report_unknown_key(key, info, context);
      is_good = false;
      continue;
    }
    const auto step = context.step(field->name);
    context.enter_field(field);
    is_good &= field->ops()->read(value, field->member(object), context);
    context.set_field_scope(outer);
  }
  is_good &= check_required(node, info, context);
  return is_good && check_together(node, object, info, context);
}

}  // namespace sluice::config
