#pragma once
// Blocks of memory of one loop, in four sizes: what is received into, what output is built in. Last in, first out, so
// that a busy loop works in few, hot blocks. Not for the io_uring backend's provided ring, which lends blocks of its
// own. Only on the loop's thread.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "net/buffer.h"

namespace sluice::net {

class BlockPool final : public BufferOwner {
 public:
  static constexpr std::array<std::size_t, 4> block_bytes{4 << 10, 16 << 10, 64 << 10, 256 << 10};

  BlockPool();
  BlockPool(const BlockPool&) = delete;
  ~BlockPool();

  // An empty buffer whose capacity is the smallest size that holds `bytes`; above the largest size exactly `bytes`,
  // from the heap. Out of memory aborts. Cost: a few instructions when a block of that size stands ready.
  Buffer take(std::size_t bytes);

  void give_back(char* block, std::uint32_t capacity, std::uint32_t token) override;

  // Of the blocks that are out: what handlers and queues hold. Not what stands ready.
  std::uint64_t lent_bytes() const { return lent_bytes_; }

 private:
  // What stands ready is bounded, so that a burst's memory goes back to the heap.
  static constexpr std::array<std::size_t, 4> most_kept{256, 256, 64, 16};

  std::uint64_t lent_bytes_ = 0;
  std::array<std::vector<char*>, 4> free_;
};

}  // namespace sluice::net
