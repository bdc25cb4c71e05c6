#pragma once
// From a file's name, or a text, to a plan that may go live: read, compiled, its tests passed. All or nothing.

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

// The bytes of a file; absent when it cannot be read.
std::optional<std::string> text_of(const std::string& path);

// Absent when there are errors; `diagnostics` holds them and all warnings.
std::optional<Loaded> load_config(const std::string& path, gateway::Kept& kept, config::Diagnostics& diagnostics);
// The same of a text; `name` is what messages call it.
std::optional<Loaded> load_config_text(std::string text, std::string name, gateway::Kept& kept,
                                       config::Diagnostics& diagnostics);

}  // namespace sluice::control
