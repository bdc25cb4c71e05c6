#pragma once
// A queue of buffers whose links are pooled: what a stream has yet to send, or holds back while reading is paused.
// Costs an idle stream two pointers. Only on the loop's thread.

#include <memory>
#include <utility>
#include <vector>

#include "net/block_pool.h"
#include "net/buffer.h"
#include "net/shared_blocks.h"

namespace sluice::net {

struct Segment {
  Buffer bytes;
  Segment* next = nullptr;
  bool is_staging = false;  // ours: more may be added behind its bytes
};

// The links, never given back to the heap before the loop ends.
class SegmentPool {
 public:
  Segment* take(Buffer bytes, bool is_staging) {
    if (free_ == nullptr) grow();
    Segment* const segment = std::exchange(free_, free_->next);
    segment->bytes = std::move(bytes);
    segment->next = nullptr;
    segment->is_staging = is_staging;
    return segment;
  }
  void give_back(Segment* segment) {
    segment->bytes = Buffer();
    segment->next = free_;
    free_ = segment;
  }

 private:
  static constexpr int chunk = 256;
  void grow() {
    chunks_.push_back(std::make_unique<Segment[]>(chunk));
    for (int i = 0; i < chunk; ++i) give_back(&chunks_.back()[i]);
  }
  std::vector<std::unique_ptr<Segment[]>> chunks_;
  Segment* free_ = nullptr;
};

// What streams draw on.
struct LoopMemory {
  BlockPool blocks;
  SharedBlocks shares;
  SegmentPool segments;
};

// First in, first out. Who owns one clears it before it goes away.
class SegmentQueue {
 public:
  bool empty() const { return first_ == nullptr; }
  Segment* first() const { return first_; }
  Segment* last() const { return last_; }

  Segment& push(LoopMemory& memory, Buffer bytes, bool is_staging = false) {
    Segment* const segment = memory.segments.take(std::move(bytes), is_staging);
    (first_ == nullptr ? first_ : last_->next) = segment;
    last_ = segment;
    return *segment;
  }
  Buffer pop(LoopMemory& memory) {
    Segment* const segment = std::exchange(first_, first_->next);
    Buffer bytes = std::move(segment->bytes);
    memory.segments.give_back(segment);
    return bytes;
  }
  void clear(LoopMemory& memory) {
    while (!empty()) (void)pop(memory);  // dropped on purpose
  }

 private:
  Segment* first_ = nullptr;
  Segment* last_ = nullptr;
};

}  // namespace sluice::net
