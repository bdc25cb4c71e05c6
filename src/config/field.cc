#include "config/field.h"

namespace sluice::config {

std::string short_type_name(std::string_view pretty_function) {
  std::string_view name = pretty_function;
  if (const std::size_t at = name.rfind("T = "); at != std::string_view::npos) name.remove_prefix(at + 4);
  if (name.ends_with(']')) name.remove_suffix(1);
  if (name.starts_with("sluice::")) name.remove_prefix(8);
  std::string out;
  while (!name.empty()) {
    const bool is_border = name.starts_with("::");
    out += is_border ? '.' : name[0];
    name.remove_prefix(is_border ? 2 : 1);
  }
  // `(anonymous namespace).` says nothing to a reader, and its characters would need escapes in a JSON pointer.
  constexpr std::string_view anonymous = "(anonymous namespace).";
  if (const std::size_t at = out.find(anonymous); at != std::string::npos) out.erase(at, anonymous.size());
  return out;
}

}  // namespace sluice::config
