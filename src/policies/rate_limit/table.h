#pragma once
// Who has used how much, exact over all workers. For each key and rate one number: the theoretical arrival time (TAT)
// of GCRA, the moment up to which its allowance is used. A decision is one compare-and-swap for each rate.
//
// The table has a fixed size and never forgets a key whose use still counts: only one that is back at its full
// allowance makes room (I5: no refill by eviction). Where there is no room, newcomers of that corner share one number:
// together they get what one would get.
//   source  ITU-T I.371 annex A (generic cell rate algorithm, virtual scheduling)

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/time.h"

namespace sluice::policies::rate_limit {

// One rate, in nanoseconds.
struct Pace {
  std::int64_t interval;   // that one request takes of it, cost included
  std::int64_t tolerance;  // how far ahead of the clock the TAT may be
};

struct Decision {
  bool is_admitted = true;
  std::size_t rate = 0;       // that refused, else the one with the least left
  std::int64_t left = 0;      // requests that rate would admit now, after this one
  std::int64_t ahead_ns = 0;  // until that rate is back at its full allowance
  std::int64_t wait_ns = 0;   // when refused: until one would be admitted
};

class Table {
 public:
  // `secret`: of the process, so that nobody can aim keys at one corner.
  Table(std::uint64_t max_keys, std::span<const Pace> paces, std::uint64_t secret);

  // Any thread, without a lock. cost: ~50 ns and one cache miss.
  Decision admit(std::string_view key, Instant now);

  std::uint64_t capacity() const { return corners_ * slots_in_corner; }
  std::uint64_t shared() const {
    return shared_.load(std::memory_order_relaxed);
  }  // decisions without a slot of their own

 private:
  static constexpr std::size_t slots_in_corner = 8;
  static constexpr std::size_t most_paces = 4;
  using Word = std::atomic<std::uint64_t>;
  struct Free {
    void operator()(Word* words) const;
  };

  // The numbers of the key, one for each rate.
  std::span<Word> find(std::uint64_t mark, std::uint64_t corner, std::uint64_t now);
  bool is_spent(const Word* slot, std::uint64_t now) const;
  Word* slot_at(std::uint64_t corner, std::size_t slot) const {
    return words_.get() + (corner * (slots_in_corner + 1) + slot) * (1 + pace_count_);
  }
  bool take(Word& number, const Pace& pace, std::uint64_t now, Decision& decision, std::size_t rate);

  const std::size_t pace_count_;
  Pace paces_[most_paces];
  const std::uint64_t corners_;
  const std::uint64_t secret_;
  std::atomic<std::uint64_t> shared_{0};
  // Corners of slots, the last of each shared; a slot is the key's mark (0: nobody's) and its numbers. Zeroed pages:
  // what is not used takes no memory.
  std::unique_ptr<Word[], Free> words_;
};

}  // namespace sluice::policies::rate_limit
