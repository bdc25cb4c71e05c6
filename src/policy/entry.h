#pragma once
// One entry of a `policies:` list: the name of a set, or one key, a kind with its fields (and `stage: any` beside it).

#include <memory>
#include <string>
#include <vector>

#include "policy/kind.h"

namespace sluice::policy {

struct Entry {
  std::string set;                     // "" when the entry is a kind
  const Kind* kind = nullptr;          // null when the entry is a set
  std::shared_ptr<const void> config;  // the kind's Config
  bool any_stage = false;              // `stage: any`: the chain's order check skips it
  config::Place place;

  static bool read(const config::Node& node, Entry& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static constexpr const char* type_text = "policy, or the name of a set";
};

}  // namespace sluice::policy
