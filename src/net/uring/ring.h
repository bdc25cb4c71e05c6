#pragma once
// The kernel's io_uring by its three system calls: one submission queue, one completion queue, a table of registered
// descriptors. Knows nothing of streams. One thread: the one that first enters; making it and filling the queue before
// that may happen on another (the ring is made disabled).
//   source  io_uring_setup(2), io_uring_enter(2), io_uring_register(2); kernel 6.1 or newer

#include <linux/io_uring.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace sluice::net {

class Ring {
 public:
  static constexpr unsigned submission_entries = 256;
  static constexpr unsigned completion_entries = 8192;

  // What a submission points to besides payload: lives until the kernel has read it, at the next enter.
  struct Scratch {
    static constexpr std::size_t most_pieces = 8;
    msghdr message;
    union {
      iovec pieces[most_pieces];
      sockaddr_storage address;
    };
  };

  Ring() = default;
  Ring(const Ring&) = delete;
  ~Ring();

  // errors: unsupported; `what` names the step that was refused
  Result<int> open();
  // Makes the calling thread the one that enters. Needed once, before enter().
  void enable();
  int descriptor() const { return descriptor_; }

  // The next submission, zeroed. Submits when the queue is full. Never null.
  io_uring_sqe& next();
  Scratch& scratch_of(const io_uring_sqe& submission) {
    return scratch_[static_cast<std::size_t>(&submission - entries_)];
  }
  // Asks for the end of the operation with this user data; its completion then comes as -ECANCELED or as it was.
  void cancel(std::uint64_t user_data);

  // Submits all, then waits for a completion, or does not.
  void enter(bool waits);

  // Takes every completion that stands in the queue now; `take(user_data, result, flags)`.
  template <class Take>
  void drain(Take&& take) {
    unsigned head = *completion_head_;
    const unsigned tail = __atomic_load_n(completion_tail_, __ATOMIC_ACQUIRE);
    for (; head != tail; ++head) {
      const io_uring_cqe completion = completions_[head & completion_mask_];  // a copy: taking may enter
      __atomic_store_n(completion_head_, head + 1, __ATOMIC_RELEASE);
      take(completion.user_data, completion.res, completion.flags);
    }
  }

  // Puts a descriptor in the table; returns its place, or -1 when it is full or the wrong thread asks.
  int add_file(int descriptor);
  void remove_file(int place);

 private:
  Result<int> map(const io_uring_params& parameters);
  bool update_file(unsigned place, int descriptor);

  int descriptor_ = -1;
  int enter_descriptor_ = -1;  // the ring's place among the thread's registered rings, or the descriptor itself
  unsigned enter_flags_ = 0;
  char* rings_ = nullptr;
  std::size_t rings_bytes_ = 0;
  io_uring_sqe* entries_ = nullptr;
  unsigned *submission_head_ = nullptr, *submission_tail_ = nullptr, submission_mask_ = 0, tail_ = 0;
  unsigned *completion_head_ = nullptr, *completion_tail_ = nullptr, completion_mask_ = 0;
  io_uring_cqe* completions_ = nullptr;
  std::unique_ptr<Scratch[]> scratch_;
  std::vector<int> free_files_;
  io_uring_sqe discarded_{};  // what a thread writes that may not submit: only while a loop is taken down
};

}  // namespace sluice::net
