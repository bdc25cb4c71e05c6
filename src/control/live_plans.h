#pragma once
// The published plans, from the first worker that takes one to the last that lets go. Owned here too, so that a plan is
// never freed on a worker's thread: taking apart one of fifty thousand routes takes tens of milliseconds, in which that
// worker would serve nobody. Belongs to the control thread.

#include <cstddef>
#include <memory>
#include <vector>

#include "gateway/plan.h"

namespace sluice::control {

class LivePlans {
 public:
  using PlanPtr = std::shared_ptr<const gateway::Plan>;

  // `plan` is the one in force from now on.
  void add(PlanPtr plan) { plans_.push_back(std::move(plan)); }
  // Frees those that nobody else holds any more, but for the newest. How many are left.
  // A count of one cannot grow again: nobody but this list could give the plan away.
  std::size_t sweep() {
    const PlanPtr newest = plans_.empty() ? nullptr : plans_.back();
    std::erase_if(plans_, [](const PlanPtr& plan) { return plan.use_count() == 1; });
    return plans_.size();
  }
  const PlanPtr& newest() const { return plans_.back(); }
  std::size_t size() const { return plans_.size(); }

 private:
  std::vector<PlanPtr> plans_;  // the newest last
};

}  // namespace sluice::control
