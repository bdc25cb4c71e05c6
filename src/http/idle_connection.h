#pragma once
// A client connection without a request in progress, whatever it speaks: what may go when room is needed.

#include "base/time.h"

namespace sluice::http {

class ClosableConnection {
 public:
  // Closes it when it still is idle; may delete it.
  virtual void close_if_idle() = 0;

 protected:
  ~ClosableConnection() = default;
};

// Valid until the next callback of the loop.
struct IdleConnection {
  Instant until;  // when it would be closed anyway: the longest idle one has the earliest
  ClosableConnection* connection;
};

}  // namespace sluice::http
