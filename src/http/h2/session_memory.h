#pragma once
// Where sessions of HTTP/2 get their memory from: blocks in a few sizes, kept when they are given back, so that a warm
// worker takes none from the heap. Counts what each session holds. Not for bodies, which stand in the loop's buffers.
// Only on the worker's thread.

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::http::h2 {

class SessionMemory {
 public:
  SessionMemory() = default;
  SessionMemory(const SessionMemory&) = delete;
  // All sessions are gone by then.
  ~SessionMemory();

  // `held` is the session's count, and grows by the block's size. Null for 0 bytes; out of memory aborts.
  void* allocate(std::size_t bytes, std::size_t& held);
  void* reallocate(void* block, std::size_t bytes, std::size_t& held);
  void give_back(void* block, std::size_t& held);

  // Of all sessions.
  std::size_t held_bytes() const { return held_bytes_; }

 private:
  // Stands before each block.
  struct alignas(std::max_align_t) Header {
    std::size_t size_class;  // class_count: a size of its own
    std::size_t bytes;       // without the header
    Header* next;            // while it is kept
  };
  static constexpr std::size_t smallest = 64, class_count = 10;  // 64 bytes to 32 KiB
  static constexpr std::size_t most_kept_bytes = 1 << 20;        // so that a burst's memory goes back to the heap

  std::array<Header*, class_count> free_{};
  std::size_t kept_bytes_ = 0;
  std::size_t held_bytes_ = 0;
};

}  // namespace sluice::http::h2
