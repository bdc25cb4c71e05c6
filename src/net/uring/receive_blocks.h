#pragma once
// The blocks the kernel receives into: a provided-buffer ring. The kernel takes one when data has arrived, so a
// connection that waits holds none. Not for large bodies: those are read into blocks of the BlockPool, which stay hot.
//   source  io_uring_register_buf_ring(3), kernel 5.19

#include <linux/io_uring.h>

#include "net/block_pool.h"
#include "net/uring/ring.h"

namespace sluice::net {

class ReceiveBlocks final : public BufferOwner {
 public:
  static constexpr unsigned block_bytes = 12 << 10;
  static constexpr unsigned blocks = 256;
  static constexpr int group = 0;

  ReceiveBlocks() = default;
  ReceiveBlocks(const ReceiveBlocks&) = delete;
  ~ReceiveBlocks();

  // errors: unsupported
  Result<int> open(const Ring& ring);

  // The `size` bytes the kernel put in a block. When handlers keep more than half of all blocks, the bytes are copied
  // to the heap, so that who keeps much never starves the others.
  Buffer lend(unsigned block, std::size_t size, BlockPool& heap);
  void give_back(char* block, std::uint32_t capacity, std::uint32_t token) override;

 private:
  void offer(unsigned block);

  char* memory_ = nullptr;
  io_uring_buf* ring_ = nullptr;  // the kernel's io_uring_buf_ring: its tail stands in the first entry's `resv`
  std::uint16_t tail_ = 0;
  unsigned lent_ = 0;
};

}  // namespace sluice::net
