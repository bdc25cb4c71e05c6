#pragma once
// From a file's name to a plan that may go live: read, compiled, its tests passed. All or nothing.

#include <memory>
#include <optional>
#include <string>

#include "config/diagnostic.h"
#include "gateway/plan_compiler.h"

namespace sluice::control {

struct Loaded {
  gateway::RootConfig config;
  std::unique_ptr<gateway::Plan> plan;
};

// Absent when there are errors; `diagnostics` holds them and all warnings.
std::optional<Loaded> load_config(const std::string& path, gateway::Kept& kept, config::Diagnostics& diagnostics);

}  // namespace sluice::control
