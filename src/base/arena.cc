#include "base/arena.h"

#include <algorithm>

namespace sluice {

thread_local std::int64_t Arena::held_bytes_ = 0;

void* Arena::allocate_slow(std::size_t size, std::size_t align) {
  const std::size_t wanted = std::max(first_block_bytes, size + align + sizeof(Block));
  auto* const block = static_cast<Block*>(std::malloc(wanted));
  if (block == nullptr) std::abort();
  *block = {blocks_, wanted};
  held_bytes_ += static_cast<std::int64_t>(wanted);
  blocks_ = block;
  next_ = reinterpret_cast<char*>(block + 1);
  end_ = reinterpret_cast<char*>(block) + wanted;
  return allocate(size, align);
}

void Arena::reset() {
  used_ = 0;
  if (blocks_ == nullptr) return;
  while (blocks_->older != nullptr) {
    Block* const older = blocks_->older;
    held_bytes_ -= static_cast<std::int64_t>(blocks_->size);
    std::free(blocks_);
    blocks_ = older;
  }
  if (blocks_->size > first_block_bytes) return release_all();  // a huge first request must not be kept for ever
  next_ = reinterpret_cast<char*>(blocks_ + 1);
  end_ = reinterpret_cast<char*>(blocks_) + blocks_->size;
}

void Arena::release(Block* newest) {
  while (newest != nullptr) {
    held_bytes_ -= static_cast<std::int64_t>(newest->size);
    std::free(std::exchange(newest, newest->older));
  }
}

}  // namespace sluice
