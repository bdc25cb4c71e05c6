#pragma once
// As long as one lives, the thread that made it pauses for a moment, again and again, whatever it does: for a long
// computation beside workers on the same processor. The kernel lets a thread compute up to a tick (4 ms) before one
// that has woken gets its turn, whatever their niceness; at SCHED_IDLE it would starve on a busy machine. For a thread
// that sleeps nobody waits.
//
// After two seconds there are no more naps: a machine that is busy all the time gives who naps less than its share.
//
// A timer signals this thread (timer_create(2), SIGEV_THREAD_ID), and the handler sleeps; system calls go on after it.
// Where there is no timer, there are no naps.

#include <ctime>

namespace sluice::control {

class Naps {
 public:
  Naps();
  ~Naps();
  Naps(const Naps&) = delete;

 private:
  timer_t timer_{};
  bool is_on_ = false;
};

}  // namespace sluice::control
