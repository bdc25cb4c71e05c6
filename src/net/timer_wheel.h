#pragma once
// All timers of one loop: a hierarchical wheel of 7 levels with 64 slots, one tick a millisecond.
// Not a clock: whoever owns it says what time it is. Only on the loop's thread.
//
// A timer stands on the level of the highest 6-bit digit in which its tick differs from the current one, in the slot of
// that digit. So every slot in use lies ahead of the current digit of its level, all of a level come before all of the
// next, and the next event is the first bit of the first level that is not empty.
//   cost    set and cancel O(1); each timer moves at most 6 times before it fires
//   source  Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987, scheme 7

#include <array>
#include <cstdint>

#include "base/time.h"
#include "net/timer.h"

namespace sluice::net {

class TimerWheel {
 public:
  explicit TimerWheel(Instant now);
  TimerWheel(const TimerWheel&) = delete;
  ~TimerWheel();  // timers still set are cancelled, so that they may outlive the wheel

  // Fires at the first advance() to `now + after` or later. Sets it anew when it is set already.
  void set(Timer& timer, Instant now, Duration after);

  // Fires what is due, ordered by tick, but not more than `most` timers: the rest at the next call, whatever its time.
  // A callback may set, cancel and destroy any timer, its own included; what it sets fires at a later tick.
  void advance(Instant now, std::size_t most = SIZE_MAX);
  // advance() has left some that are due.
  bool has_due() const { return due_.next_ != &due_; }

  // No timer fires before this; Instant::max() when none is set. May be earlier than the first timer (a level to
  // unfold).
  Instant next_event();

  std::size_t count() const;  // timers that are set. For tests: walks over all slots

 private:
  static constexpr int levels = 7;  // 2^42 ms: 139 years
  static constexpr int slot_bits = 6;
  static constexpr std::uint64_t last_tick = (std::uint64_t{1} << (levels * slot_bits)) - 1;

  struct Slot : Timer {  // the head of a ring
    Slot() : Timer(nullptr, nullptr) {}
  };
  std::uint64_t due_tick(const Timer& timer) const;
  void place(Timer& timer);
  static void link(Timer& ring, Timer& timer);
  struct Event {
    std::uint64_t tick;
    int level, slot;
  };
  Event find_event();
  void unfold(int level, int slot);  // what is due in a slot that is not empty goes to due_, the rest moves down

  Instant origin_;
  std::uint64_t tick_ = 0;
  std::array<std::uint64_t, levels> used_{};  // one bit a slot; set may be stale after a cancel, clear is always true
  std::array<std::array<Slot, 64>, levels> slots_;
  Slot due_;  // to be fired, the first first
};

}  // namespace sluice::net
