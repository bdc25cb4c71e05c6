#pragma once
// Where a new plan finds again what the last one had: endpoints by (upstream, address) and the turn of a round robin.
// It owns nothing: groups (and pools) do, and what none of them holds any more is forgotten. Control thread only.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "upstream/endpoint.h"
#include "upstream/retry_budget.h"

namespace sluice::upstream {

using Cursor = std::atomic<std::uint64_t>;  // how many turns were taken; shared by the workers

class EndpointStore {
 public:
  // The endpoint, with its counts and health as they are; a new one has `health`. An old one keeps its settings until
  // the plan is adopted (Pool::adopt), for a plan may still be refused.
  std::shared_ptr<Endpoint> find_or_make(std::string_view upstream, const net::Address& address,
                                         const HealthConfig& health);
  // The turn of `upstream`, as long as `members` (its endpoints and weights, as text) is the same as before.
  std::shared_ptr<Cursor> find_or_make_cursor(std::string_view upstream, std::string_view members);

  // The retries in progress to `upstream`.
  std::shared_ptr<RetryBudget> find_or_make_budget(std::string_view upstream);

  // Every endpoint in use, by upstream and address: for metrics.
  std::vector<std::shared_ptr<const Endpoint>> all() const;

 private:
  void forget_unused();
  std::uint32_t take_slot();

  struct Known {
    std::weak_ptr<Endpoint> endpoint;
    std::uint32_t slot;
  };
  using Name = std::pair<std::string, std::string>;
  std::map<Name, Known> endpoints_;                                         // by upstream, address
  std::map<Name, std::weak_ptr<Cursor>> cursors_;                           // by upstream, members
  std::map<std::string, std::weak_ptr<RetryBudget>, std::less<>> budgets_;  // by upstream
  std::vector<std::uint32_t> free_slots_;
  std::uint32_t slots_ = 0;        // ever given out
  std::size_t forget_above_ = 64;  // entries that make forget_unused() worth its while
};

}  // namespace sluice::upstream
