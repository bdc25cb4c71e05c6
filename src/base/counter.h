#pragma once
// Numbers that one thread writes and any thread reads: what a scrape sums over the workers.
// Not for numbers that several threads write: an increment is a load and a store, so two writers would lose counts.

#include <atomic>
#include <cstdint>

namespace sluice {

// Only grows (wraps after 2^64). Cost of add: a load and a store, no locked instruction.
class Counter {
 public:
  void add(std::uint64_t count = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Goes up and down. A sum over workers may be off by what moved while it was read, and may so be briefly negative.
class Gauge {
 public:
  void add(std::int64_t change = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }
  void subtract(std::int64_t change = 1) { add(-change); }
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

}  // namespace sluice
