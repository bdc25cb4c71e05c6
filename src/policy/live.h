#pragma once
// A value that is replaced while plans stay: what a file or a server said last. Read by the workers without a lock, and
// without counting: read-copy-update, where a worker's turn of its loop is the reader's section (McKenney and
// Slingwine, "Read-Copy Update", 1998). The control thread replaces it.

#include <atomic>
#include <memory>
#include <utility>

namespace sluice::policy {

template <class T>
class Live {
 public:
  using Pointer = std::shared_ptr<const T>;

  explicit Live(Pointer first) : held_(std::move(first)), current_(held_.get()) {}
  Live(const Live&) = delete;

  // On a worker, within one call of a policy: what it gives may be gone when that call has returned.
  const T& get() const { return *current_.load(std::memory_order_acquire); }

  // ---- control thread
  const Pointer& held() const { return held_; }
  // Returns what was before, which workers may still be reading: StateStore::retire() keeps it as long as that.
  [[nodiscard]] Pointer replace(Pointer next) {
    current_.store(next.get(), std::memory_order_release);
    return std::exchange(held_, std::move(next));
  }

 private:
  Pointer held_;
  std::atomic<const T*> current_;
};

}  // namespace sluice::policy
