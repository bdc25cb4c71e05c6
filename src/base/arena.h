#pragma once
// Memory of one exchange: handed out by moving a pointer, given back all at once.
// Not for anything that owns memory elsewhere: destructors are never run.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sluice {

class Arena {
 public:
  static constexpr std::size_t first_block_bytes = 8 * 1024;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { release(blocks_); }

  // `size` bytes, aligned. Never null: out of memory aborts. The first 8 KiB of an exchange cost no heap allocation
  // once the arena has been used before. Cost: a few instructions.
  void* allocate(std::size_t size, std::size_t align = alignof(std::max_align_t)) {
    auto at = (reinterpret_cast<std::uintptr_t>(next_) + align - 1) & ~(align - 1);
    if (next_ == nullptr || at + size > reinterpret_cast<std::uintptr_t>(end_)) return allocate_slow(size, align);
    next_ = reinterpret_cast<char*>(at + size);
    used_ += size;
    return reinterpret_cast<void*>(at);
  }
  char* allocate_bytes(std::size_t size) { return static_cast<char*>(allocate(size, 1)); }

  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    char* to = allocate_bytes(text.size());
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }
  // One string of all parts. Cost: O(bytes).
  template <class... Parts>
  std::string_view join(const Parts&... parts) {
    const std::size_t size = (std::string_view(parts).size() + ... + 0);
    char* const to = allocate_bytes(size);
    char* at = to;
    ((std::memcpy(at, std::string_view(parts).data(), std::string_view(parts).size()),
      at += std::string_view(parts).size()),
     ...);
    return {to, size};
  }
  template <class T, class... Args>
  T* make(Args&&... args) {
    static_assert(std::is_trivially_destructible_v<T>, "an arena runs no destructors");
    return new (allocate(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
  }
  template <class T>
  std::span<T> make_array(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T> && std::is_trivially_copyable_v<T>);
    T* const first = static_cast<T*>(allocate(sizeof(T) * count, alignof(T)));
    std::uninitialized_value_construct_n(first, count);
    return {first, count};
  }

  // Bytes that all arenas have taken from the heap, of those that this thread filled and emptied: a worker's own.
  static std::int64_t held_bytes() { return held_bytes_; }

  // Bytes handed out since the last reset; what a memory limit is measured against.
  std::size_t used_bytes() const { return used_; }

  // Forgets everything handed out. Keeps the first block, so that the next exchange allocates nothing.
  void reset();
  // reset(), and gives the first block back too: for connections that go idle.
  void release_all() {
    release(blocks_);
    blocks_ = nullptr;
    next_ = end_ = nullptr;
    used_ = 0;
  }

 private:
  struct Block {
    Block* older;
    std::size_t size;
  };
  void* allocate_slow(std::size_t size, std::size_t align);
  static void release(Block* newest);

  static thread_local std::int64_t held_bytes_;

  Block* blocks_ = nullptr;  // newest first; the last one is the first block
  char* next_ = nullptr;
  char* end_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace sluice
