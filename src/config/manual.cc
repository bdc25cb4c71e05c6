#include "config/manual.h"

#include <algorithm>
#include <vector>

namespace sluice::config {
namespace {

// A cell of a Markdown table: `|` would end it.
void append_cell(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
}

std::string range_text(const FieldInfo& field, std::string_view type) {
  if (field.real_range) {
    JsonWriter low(JsonWriter::Layout::one_line), high(JsonWriter::Layout::one_line);
    low.real(field.real_range->low), high.real(field.real_range->high);
    return ", " + low.result() + " to " + high.result();
  }
  if (!field.range) return {};
  const auto show = [&](std::int64_t value) {
    if (type.ends_with("duration")) return format(std::chrono::nanoseconds(value));
    if (type.ends_with("size")) return format(Size{static_cast<std::uint64_t>(value)});
    return std::to_string(value);
  };
  return ", " + show(field.range->low) + " to " + show(field.range->high);
}

std::string default_text(const FieldInfo& field, const void* defaults) {
  if (field.is_required) return "required";
  JsonWriter json(JsonWriter::Layout::one_line);
  if (!field.ops()->dump(field.member(const_cast<void*>(defaults)), json)) return "none";
  std::string text = json.result();
  if (text.size() >= 2 && text[0] == '"' && text != "\"\"") text = text.substr(1, text.size() - 2);
  return '`' + text + '`';
}

void append_rows(std::string& out, const StructInfo& info, const std::string& prefix,
                 std::vector<const StructInfo*>& open) {
  open.push_back(&info);
  for (const FieldInfo& field : info.fields) {
    const ValueOps& ops = *field.ops();
    std::string type;
    ops.type_name(type);
    const bool is_table = ops.fields() != nullptr;
    ((out += "| `") += prefix + field.name) += "` | ";
    append_cell(out, type + range_text(field, type));
    out += " | ";
    append_cell(out, is_table && !field.is_required && *ops.path_suffix == 0 ? "" : default_text(field, info.defaults));
    out += " | ";
    append_cell(out, field.doc);
    if (field.example_text != nullptr) append_cell(out, std::string(" Example: `") + field.example_text + "`.");
    out += " |\n";
    // A struct inside itself is listed once.
    if (is_table && std::find(open.begin(), open.end(), ops.fields()) == open.end())
      append_rows(out, *ops.fields(), prefix + field.name + ops.path_suffix + ".", open);
  }
  open.pop_back();
}

}  // namespace

std::string manual_table(const StructInfo& info) {
  std::string out = "| field | type | default | meaning |\n| --- | --- | --- | --- |\n";
  std::vector<const StructInfo*> open;
  append_rows(out, info, "", open);
  return out;
}

}  // namespace sluice::config
