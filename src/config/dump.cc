#include "config/value.h"

namespace sluice::config {

bool dump_struct(const void* object, const StructInfo& info, JsonWriter& json) {
  json.begin_object();
  for (const FieldInfo& field : info.fields) {
    // member() only computes an address; the value is not changed.
    const void* const value = field.member(const_cast<void*>(object));
    json.key(field.name);
    (void)field.ops()->dump(value, json);  // a value without a form takes its key with it
  }
  json.end_object();
  return true;
}

}  // namespace sluice::config
