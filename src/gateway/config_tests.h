#pragma once
// Runs the `tests:` of a config against its compiled plan. A failing one is an error at its place: `check` reports it, a
// reload is refused.

#include "config/diagnostic.h"
#include "gateway/config.h"
#include "gateway/plan.h"

namespace sluice::gateway {

void run_config_tests(const RootConfig& config, const Plan& plan, config::Diagnostics& diagnostics);

}  // namespace sluice::gateway
