#include "config/schema.h"

#include <fmt/format.h>

#include "config/units.h"

namespace sluice::config {
namespace {

constexpr const char* duration_regex = "^(0|[0-9]+(ns|us|ms|s|m|h|d))$";
constexpr const char* size_regex = "^[0-9]+(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?$";
constexpr const char* rate_regex = "^[0-9]+/(s|m|h|d)$";

}  // namespace

void SchemaWriter::structure(const StructInfo& info) {
  std::string name(info.type_name);
  if (seen_.emplace(name, &info).second) pending_.push_back(&info);
  json_.member("$ref", "#/$defs/" + name);
}

void SchemaWriter::text() {
  json_.key("type"), json_.begin_array();
  for (const char* type : {"string", "number", "boolean"}) json_.text(type);
  json_.end_array();
  if (field_ != nullptr && field_->is_non_empty) json_.key("minLength"), json_.integer(1);
}

void SchemaWriter::pattern(std::string_view regex) {
  json_.member("type", "string");
  json_.member("pattern", regex);
}

void SchemaWriter::integer(Range type_range) {
  const Range range = field_ != nullptr && field_->range ? *field_->range : type_range;
  json_.member("type", "integer");
  json_.key("minimum"), json_.integer(range.low);
  json_.key("maximum"), json_.integer(range.high);
}

void SchemaWriter::real() {
  json_.member("type", "number");
  if (field_ == nullptr || !field_->real_range) return;
  json_.key("minimum"), json_.real(field_->real_range->low);
  json_.key("maximum"), json_.real(field_->real_range->high);
}

void SchemaWriter::boolean() { json_.member("type", "boolean"); }

void SchemaWriter::duration() {
  json_.key("type"), json_.begin_array(), json_.text("string"), json_.text("integer"), json_.end_array();
  json_.member("pattern", duration_regex);
  json_.key("minimum"), json_.integer(0);  // the one number that needs no unit
  json_.key("maximum"), json_.integer(0);
}

void SchemaWriter::size() {
  json_.key("type"), json_.begin_array(), json_.text("string"), json_.text("integer"), json_.end_array();
  json_.member("pattern", size_regex);
  const bool has_range = field_ != nullptr && field_->range;
  json_.key("minimum"), json_.integer(has_range ? field_->range->low : 0);
  if (has_range) json_.key("maximum"), json_.integer(field_->range->high);
}

void SchemaWriter::rate() { pattern(rate_regex); }

void SchemaWriter::choice(std::span<const std::string_view> names) {
  json_.key("enum"), json_.begin_array();
  for (const std::string_view name : names) json_.text(name);
  json_.end_array();
}

void SchemaWriter::list(const std::function<void()>& item) {
  const bool takes_one = field_ != nullptr && field_->takes_one_or_many;
  const auto as_list = [&] {
    json_.member("type", "array");
    if (field_ != nullptr && field_->is_non_empty) json_.key("minItems"), json_.integer(1);
    json_.key("items"), json_.begin_object(), item(), json_.end_object();
  };
  if (takes_one) {
    any_of({as_list, item});
  } else {
    as_list();
  }
}

void SchemaWriter::map(const std::function<void()>& value) {
  json_.member("type", "object");
  if (field_ != nullptr && field_->is_non_empty) json_.key("minProperties"), json_.integer(1);
  json_.key("additionalProperties"), json_.begin_object(), value(), json_.end_object();
}

void SchemaWriter::any_of(std::span<const std::function<void()>> alternatives) {
  json_.key("anyOf"), json_.begin_array();
  for (const auto& alternative : alternatives) json_.begin_object(), alternative(), json_.end_object();
  json_.end_array();
}

void SchemaWriter::object(bool exactly_one, const std::function<void()>& properties) {
  json_.member("type", "object");
  if (exactly_one) {
    json_.key("minProperties"), json_.integer(1);
    json_.key("maxProperties"), json_.integer(1);
  }
  json_.key("properties"), json_.begin_object(), properties(), json_.end_object();
  json_.key("additionalProperties"), json_.boolean(false);
}

void SchemaWriter::property(std::string_view name, std::string_view doc, const std::function<void()>& value) {
  json_.key(name), json_.begin_object();
  if (!doc.empty()) description(doc);
  value();
  json_.end_object();
}

std::string SchemaWriter::document(const StructInfo& root, std::string_view title) {
  json_.begin_object();
  json_.member("$schema", "https://json-schema.org/draft/2020-12/schema");
  json_.member("title", title);
  structure(root);
  json_.key("$defs"), json_.begin_object();
  for (std::size_t i = 0; i < pending_.size(); ++i) {  // grows while definitions are written
    json_.key(pending_[i]->type_name);
    definition(*pending_[i]);
  }
  json_.end_object();
  json_.end_object();
  return json_.result() + "\n";
}

void SchemaWriter::definition(const StructInfo& info) {
  json_.begin_object();
  if (info.doc != nullptr) description(info.doc);
  object(false, [&] {
    for (const FieldInfo& row : info.fields) field(row, info.defaults);
  });
  bool has_required = false;
  for (const FieldInfo& row : info.fields) {
    if (!row.is_required) continue;
    if (!has_required) json_.key("required"), json_.begin_array();
    has_required = true;
    json_.text(row.name);
  }
  if (has_required) json_.end_array();
  json_.end_object();
}

void SchemaWriter::field(const FieldInfo& row, const void* defaults) {
  property(row.name, row.doc, [&] {
    field_ = &row;
    row.ops()->schema(*this);
    field_ = nullptr;
    if (!row.is_required) {
      json_.key("default");
      (void)row.ops()->dump(row.member(const_cast<void*>(defaults)), json_);  // no form, no default
    }
    if (row.example_text != nullptr) {
      json_.key("examples"), json_.begin_array(), json_.text(row.example_text), json_.end_array();
    }
  });
}

}  // namespace sluice::config
