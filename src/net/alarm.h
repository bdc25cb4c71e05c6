#pragma once
// Ends a loop's wait when a timer is due. A wait with a timeout of its own would program the processor's timer twice
// each turn, which a virtual machine pays for dearly; this one is set only when something is due before it rings, and
// may ring too early. Only on the loop's thread.
//   source  timerfd_create(2)

#include "base/time.h"

namespace sluice::net {

class Alarm {
 public:
  Alarm();
  Alarm(const Alarm&) = delete;
  ~Alarm();

  // Readable while it has rung and was not set anew; watch it edge-triggered or once for each setting. -1: out of
  // descriptors.
  int descriptor() const { return descriptor_; }
  // Rings at `at` or before; never for Instant::max(). Cost: a system call when it would ring later, else nothing.
  void set(Instant at);
  void rang() { rings_at_ = Instant::max(); }
  bool is_set() const { return rings_at_ != Instant::max(); }

 private:
  int descriptor_;
  Instant rings_at_ = Instant::max();
};

}  // namespace sluice::net
