#include "net/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

namespace sluice::net {

Mailbox::Mailbox() : descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  // What a worker posts to itself while it serves allocates nothing.
  tasks_.reserve(16);
  running_.reserve(16);
}

Mailbox::~Mailbox() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Mailbox::post(std::move_only_function<void()> task) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    was_empty = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  // Fails only when the counter is full, and then the loop is awake anyway.
  if (was_empty) (void)eventfd_write(descriptor_, 1);
}

void Mailbox::run_all() {
  eventfd_t count = 0;
  (void)eventfd_read(descriptor_, &count);  // empty when the backend has read it already
  {
    const std::lock_guard lock(mutex_);
    std::swap(tasks_, running_);
  }
  for (auto& task : running_) task();
  running_.clear();
}

}  // namespace sluice::net
