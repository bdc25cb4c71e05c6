#include "net/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace sluice::net {
namespace {

using std::chrono::milliseconds;
constexpr Duration farthest = std::chrono::hours(24 * 365 * 50);
constexpr std::uint64_t no_tick = UINT64_MAX;

}  // namespace

void Timer::cancel() {
  if (previous_ == nullptr) return;
  previous_->next_ = next_;
  next_->previous_ = previous_;
  previous_ = next_ = nullptr;
}

TimerWheel::TimerWheel(Instant now) : origin_(now) {
  for (auto& level : slots_) {
    for (Slot& slot : level) slot.previous_ = slot.next_ = &slot;
  }
  due_.previous_ = due_.next_ = &due_;
}

TimerWheel::~TimerWheel() {
  while (has_due()) due_.next_->cancel();
  for (auto& level : slots_) {
    for (Slot& slot : level) {
      while (slot.next_ != &slot) slot.next_->cancel();
    }
  }
}

void TimerWheel::set(Timer& timer, Instant now, Duration after) {
  timer.cancel();
  timer.due_ = now + std::clamp(after, Duration(0), farthest);
  place(timer);
}

std::uint64_t TimerWheel::due_tick(const Timer& timer) const {
  const Duration since = timer.due_ - origin_;
  return since.count() <= 0 ? 0 : static_cast<std::uint64_t>(std::chrono::ceil<milliseconds>(since).count());
}

void TimerWheel::place(Timer& timer) {
  const std::uint64_t due = std::clamp(due_tick(timer), tick_ + 1, last_tick);
  const int level = static_cast<int>(std::bit_width(due ^ tick_) - 1) / slot_bits;
  const int slot = static_cast<int>(due >> (level * slot_bits)) & 63;
  used_[level] |= std::uint64_t{1} << slot;
  link(slots_[level][slot], timer);
}

void TimerWheel::link(Timer& ring, Timer& timer) {
  timer.previous_ = ring.previous_;
  timer.next_ = &ring;
  ring.previous_->next_ = &timer;
  ring.previous_ = &timer;
}

TimerWheel::Event TimerWheel::find_event() {
  for (int level = 0; level < levels; ++level) {
    while (used_[level] != 0) {
      const int slot = std::countr_zero(used_[level]);
      const Slot& ring = slots_[level][slot];
      if (ring.next_ == &ring) {
        used_[level] &= used_[level] - 1;
        continue;
      }
      const int shift = level * slot_bits;
      const std::uint64_t above = tick_ >> (shift + slot_bits) << (shift + slot_bits);
      return {above | static_cast<std::uint64_t>(slot) << shift, level, slot};
    }
  }
  return {no_tick, 0, 0};
}

Instant TimerWheel::next_event() {
  if (has_due()) return origin_ + milliseconds(tick_);
  const Event event = find_event();
  return event.tick == no_tick ? Instant::max() : origin_ + milliseconds(event.tick);
}

std::size_t TimerWheel::count() const {
  std::size_t count = 0;
  for (const Timer* timer = due_.next_; timer != &due_; timer = timer->next_) ++count;
  for (const auto& level : slots_) {
    for (const Slot& slot : level) {
      for (const Timer* timer = slot.next_; timer != &slot; timer = timer->next_) ++count;
    }
  }
  return count;
}

void TimerWheel::advance(Instant now, std::size_t most) {
  if (now < origin_) return;
  const auto target = static_cast<std::uint64_t>(std::chrono::floor<milliseconds>(now - origin_).count());
  for (;;) {
    for (; has_due(); --most) {
      if (most == 0) return;
      Timer& timer = *due_.next_;
      timer.cancel();
      timer.function_(timer.context_);  // may destroy the timer
    }
    if (tick_ >= target) return;
    const Event event = find_event();
    tick_ = std::min(event.tick, target);
    if (event.tick <= target) unfold(event.level, event.slot);
  }
}

void TimerWheel::unfold(int level, int slot) {
  Slot& ring = slots_[level][slot];
  used_[level] &= ~(std::uint64_t{1} << slot);
  while (ring.next_ != &ring) {
    Timer& timer = *ring.next_;
    timer.cancel();
    if (due_tick(timer) <= tick_) {
      link(due_, timer);
    } else {
      place(timer);  // on a lower level
    }
  }
}

}  // namespace sluice::net
