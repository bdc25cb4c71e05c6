#pragma once
// How many retries to one upstream may be in progress at once, over all workers and plans: a share of the attempts in
// progress, so that an upstream in trouble gets little more than what was asked of it (row D12). Not whether a retry is
// safe: that is the driver's to know. Counts attempts at another endpoint. Where nothing was asked of anybody it is not
// asked: a connection that had died in the pool is replaced, and after a refused connect another endpoint is tried.
//   cost  nothing for an exchange that is not retried; two locked instructions and a sum over the endpoints for one
//   that is

#include <atomic>
#include <cstdint>

namespace sluice::upstream {

// Any thread.
class RetryBudget {
 public:
  // Takes one of max(`percent` of `attempts`, `least`). False when all are taken. Otherwise give_back() is due once.
  bool take(std::int64_t attempts, std::uint32_t percent, std::uint32_t least) {
    const std::int64_t share = attempts * percent / 100;
    const std::int64_t allowed = share > least ? share : least;
    if (taken_.fetch_add(1, std::memory_order_relaxed) < allowed) return true;
    give_back();
    return false;
  }
  void give_back() { taken_.fetch_sub(1, std::memory_order_relaxed); }
  std::int64_t taken() const { return taken_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> taken_{0};
};

}  // namespace sluice::upstream
