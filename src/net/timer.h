#pragma once
// A timer that stands inside its owner: no allocation, O(1) to set and to cancel. One fires once.
// Only on its loop's thread. Resolution is a millisecond: a timer never fires early, and at most ~2 ms late on an idle
// loop.

#include <cstdint>

#include "base/time.h"

namespace sluice::net {

class TimerWheel;

class Timer {
 public:
  using Function = void (*)(void* context);

  Timer(Function function, void* context) : function_(function), context_(context) {}
  // Timer t{Timer::of<&Owner::on_timeout>(this)}
  template <auto Method, class Owner>
  static Timer of(Owner* owner) {
    return Timer([](void* context) { (static_cast<Owner*>(context)->*Method)(); }, owner);
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { cancel(); }

  void cancel();
  bool is_set() const { return previous_ != nullptr; }
  Instant due() const { return due_; }  // of the last time it was set

 private:
  friend class TimerWheel;
  Function function_;
  void* context_;
  Timer* previous_ = nullptr;  // ring of the slot it stands in
  Timer* next_ = nullptr;
  Instant due_{};
};

}  // namespace sluice::net
