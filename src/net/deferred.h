#pragma once
// Work that is put off until no handler is on the stack: what a stream above another stream does with the writes of one
// callback. Queued with SocketLoop::defer(), run once before the loop sends what was written. Only on the loop's thread.

namespace sluice::net {

class Deferred {
 protected:
  ~Deferred() = default;

 private:
  friend class SocketLoop;
  virtual void run_deferred() = 0;  // may delete this
  bool is_deferred_ = false;
};

}  // namespace sluice::net
