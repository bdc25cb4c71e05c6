#pragma once
// The reference tables of the manual, from the field tables. Not prose: a README holds the table and a test keeps it
// true.

#include <string>

#include "config/value.h"

namespace sluice::config {

// A Markdown table: field, type, default, meaning; fields of nested structs follow as `request.set`,
// `endpoints[].weight`.
std::string manual_table(const StructInfo& info);

template <HasFields T>
std::string manual_table() {
  return manual_table(struct_info<T>());
}

}  // namespace sluice::config
