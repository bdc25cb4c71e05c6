#pragma once
// Bytes a stream has accepted and the kernel has not yet taken. Small writes gather in 16 KiB staging blocks, which are
// taken at the first write and given back when all is sent; large buffers stand in the queue as they are.
// Does not send: the backends gather() and drop_front(). Only on the loop's thread.

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "net/segment.h"

namespace sluice::net {

class Output {
 public:
  static constexpr std::size_t staging_bytes = 16 << 10;
  // Buffers up to this size are copied beside what stands before them, so that a head and a small body leave in one
  // piece and the block goes home at once. Copying 4 KiB costs less than a second piece to gather.
  static constexpr std::size_t copied_bytes = 4 << 10;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // At least `bytes` contiguous bytes behind the last one; wrote() takes the first `count` of them.
  char* room(LoopMemory& memory, std::size_t bytes);
  void wrote(std::size_t count);
  void append(LoopMemory& memory, std::string_view bytes);
  void append(LoopMemory& memory, Buffer bytes);

  // Fills `pieces` from the front; returns how many were used and how many bytes they hold.
  struct Gathered {
    std::size_t pieces, bytes;
  };
  Gathered gather(std::span<iovec> pieces) const;
  void drop_front(LoopMemory& memory, std::size_t count);
  void clear(LoopMemory& memory);

 private:
  SegmentQueue segments_;
  std::size_t size_ = 0;
};

}  // namespace sluice::net
