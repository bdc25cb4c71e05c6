#include "base/byte_ring.h"

#include <algorithm>
#include <bit>

namespace sluice {

ByteRing::ByteRing(std::size_t capacity_bytes)
    : mask_(std::bit_ceil(std::max<std::size_t>(capacity_bytes, 64)) - 1),
      bytes_(std::make_unique<char[]>(mask_ + 1)) {}

char* ByteRing::try_reserve(std::size_t size) {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  const std::size_t left_in_lap = capacity_bytes() - (head & mask_);
  const std::uint64_t start = size <= left_in_lap ? head : head + left_in_lap;
  if (start + size - seen_tail_ > capacity_bytes()) {
    seen_tail_ = tail_.load(std::memory_order_acquire);  // the consumer has done with what we are about to overwrite
    if (start + size - seen_tail_ > capacity_bytes()) {
      dropped_records_.add();
      dropped_bytes_.add(size);
      return nullptr;
    }
  }
  reserved_ = start;
  return bytes_.get() + (start & mask_);
}

void ByteRing::commit(std::size_t size) {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  if (reserved_ != head) lap_end_.store(head, std::memory_order_relaxed);
  head_.store(reserved_ + size, std::memory_order_release);
}

std::array<std::string_view, 2> ByteRing::peek() {
  const std::uint64_t head = head_.load(std::memory_order_acquire);
  const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  const std::uint64_t next_lap = (tail & ~std::uint64_t{mask_}) + capacity_bytes();
  if (head <= next_lap) return {std::string_view(bytes_.get() + (tail & mask_), head - tail), {}};
  // Head is a lap ahead. A skip made at exactly the ring's end leaves no note: the old one then lies in an earlier lap.
  const std::uint64_t noted = lap_end_.load(std::memory_order_relaxed);
  const std::uint64_t lap_end = noted >= tail && noted < next_lap ? noted : next_lap;
  return {std::string_view(bytes_.get() + (tail & mask_), lap_end - tail),
          std::string_view(bytes_.get(), head - next_lap)};
}

void ByteRing::consume(std::size_t size) {
  const auto [first, second] = peek();
  const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  // Bytes skipped at the end of the lap are freed together with the first byte after them, or with the last one before.
  const std::uint64_t next_lap = (tail & ~std::uint64_t{mask_}) + capacity_bytes();
  const bool is_through = size >= first.size() && (size > first.size() || !second.empty());
  tail_.store(is_through ? next_lap + (size - first.size()) : tail + size, std::memory_order_release);
}

}  // namespace sluice
