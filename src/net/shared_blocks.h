#pragma once
// Two handles on one block: for bytes that are sent and, until the peer has answered, kept in case they must be sent
// again. Costs a link from a free list and a count, where a copy would push as many bytes out of the cache. The block
// goes home with the last handle. Only on the loop's thread.

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "net/buffer.h"

namespace sluice::net {

class SharedBlocks {
 public:
  // A second handle on the bytes of `buffer`. From now on both are for reading: neither has room behind its bytes.
  Buffer share(Buffer& buffer) {
    if (free_ == nullptr) grow();
    Shared* const shared = std::exchange(free_, free_->next);
    shared->block = std::move(buffer);
    shared->handles = 2;
    buffer = shared->handle();
    return shared->handle();
  }

 private:
  struct Shared final : BufferOwner {
    Buffer handle() {
      const auto size = static_cast<std::uint32_t>(block.size());
      Buffer made(*this, block.data(), size, 0);
      made.set_size(size);
      return made;
    }
    void give_back(char*, std::uint32_t, std::uint32_t) override {
      if (--handles > 0) return;
      block = Buffer();
      next = std::exchange(home->free_, this);
    }
    Buffer block;
    SharedBlocks* home = nullptr;
    Shared* next = nullptr;
    std::uint32_t handles = 0;
  };

  static constexpr int chunk = 64;
  void grow() {  // never given back to the heap before the loop ends
    Shared* const made = chunks_.emplace_back(std::make_unique<Shared[]>(chunk)).get();
    for (int i = 0; i < chunk; ++i) {
      made[i].home = this;
      made[i].next = std::exchange(free_, &made[i]);
    }
  }

  std::vector<std::unique_ptr<Shared[]>> chunks_;
  Shared* free_ = nullptr;
};

}  // namespace sluice::net
