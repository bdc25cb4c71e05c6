#pragma once
// Plays one scenario to its end and judges it.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "scenario.h"

namespace sluice::sim {

struct Outcome {
  std::vector<std::string> violations;  // empty: all is well
  std::uint64_t trace_hash = 0;
  std::uint64_t events = 0;
  int exchanges = 0, whole = 0, by_gateway = 0;  // begun; answered whole; of these by the gateway itself
};

// `trace`: gets each event as a line; empty for none.
Outcome run(const Scenario& scenario, const std::function<void(const std::string&)>& trace = {});

// A scenario that still fails, and is as small as can be found with at most `most_runs` runs.
Scenario shrink(const Scenario& failing, int most_runs);

}  // namespace sluice::sim
