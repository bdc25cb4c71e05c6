#pragma once
// Tasks other threads hand to a loop. Rare (reloads, resolved names, metrics), so a mutex and a vector do.
// The one part of net that more than one thread may touch.

#include <functional>
#include <mutex>
#include <vector>

namespace sluice::net {

class Mailbox {
 public:
  Mailbox();
  Mailbox(const Mailbox&) = delete;
  ~Mailbox();

  // An eventfd, non-blocking; readable when tasks may stand in the box. The loop watches it.
  int descriptor() const { return descriptor_; }

  void post(std::move_only_function<void()> task);  // any thread

  // The loop's thread only: resets the eventfd, then runs what has been posted, in order. Tasks posted meanwhile wait.
  void run_all();

 private:
  int descriptor_;
  std::mutex mutex_;
  std::vector<std::move_only_function<void()>> tasks_;    // guarded by mutex_
  std::vector<std::move_only_function<void()>> running_;  // the loop's
};

}  // namespace sluice::net
