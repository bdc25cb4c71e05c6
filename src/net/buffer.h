#pragma once
// A block of received bytes, lent by a loop: a move-only handle. Letting go of it gives the block back.
// Not thread-safe: a buffer lives and dies on the loop's thread.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace sluice::net {

class Buffer;

// Who lends blocks. Implemented by the loops' backends.
class BufferOwner {
 public:
  virtual void give_back(char* block, std::uint32_t capacity, std::uint32_t token) = 0;

 protected:
  ~BufferOwner() = default;
};

class Buffer {
 public:
  Buffer() = default;
  Buffer(BufferOwner& owner, char* block, std::uint32_t capacity, std::uint32_t token)
      : owner_(&owner), block_(block), capacity_(capacity), token_(token) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }
  ~Buffer() {
    if (owner_ != nullptr) owner_->give_back(block_, capacity_, token_);
  }

  char* data() { return block_ + begin_; }
  const char* data() const { return block_ + begin_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {block_ + begin_, size_}; }
  explicit operator bool() const { return owner_ != nullptr; }

  void drop_front(std::size_t count) {
    begin_ += static_cast<std::uint32_t>(count);
    size_ -= static_cast<std::uint32_t>(count);
  }
  void truncate(std::size_t size) { size_ = static_cast<std::uint32_t>(size); }  // keeps the first `size` bytes

  // Bytes may be added behind the last one: write at data() + size(), at most tail_room(), then extend().
  std::size_t tail_room() const { return capacity_ - begin_ - size_; }
  void extend(std::size_t count) { size_ += static_cast<std::uint32_t>(count); }

  // The whole block, for who fills it. After filling: set_size().
  char* block() { return block_; }
  std::uint32_t capacity() const { return capacity_; }
  void set_size(std::size_t size) {
    begin_ = 0;
    size_ = static_cast<std::uint32_t>(size);
  }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(block_, other.block_);
    std::swap(capacity_, other.capacity_);
    std::swap(begin_, other.begin_);
    std::swap(size_, other.size_);
    std::swap(token_, other.token_);
  }
  BufferOwner* owner_ = nullptr;
  char* block_ = nullptr;
  std::uint32_t capacity_ = 0, begin_ = 0, size_ = 0, token_ = 0;
};

}  // namespace sluice::net
