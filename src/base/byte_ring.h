#pragma once
// Records of bytes from one thread to another: a worker's log lines on their way to the thread that writes them.
// The producer never waits: a record that finds no room is dropped and counted. Not a queue of messages: the consumer
// sees bytes, whole records one after the other, and tells records apart by what is in them (each log line ends in LF).

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/counter.h"

namespace sluice {

class ByteRing {
 public:
  static constexpr std::size_t default_capacity_bytes = std::size_t{1} << 20;

  // `capacity_bytes` is rounded up to a power of two, at least 64 bytes. The memory is touched, so that no record later
  // pays for a page fault.
  explicit ByteRing(std::size_t capacity_bytes = default_capacity_bytes);
  ByteRing(const ByteRing&) = delete;
  ByteRing& operator=(const ByteRing&) = delete;

  std::size_t capacity_bytes() const { return mask_ + 1; }

  // ---- producer's thread
  // Room for one record of up to `size` contiguous bytes, or null when there is none: the record is then counted as
  // dropped (with `size` bytes). A reservation that is not committed is as if it had never been.
  // A record of up to half the capacity always fits once the consumer has caught up. Cost: ~3 ns.
  char* try_reserve(std::size_t size);
  // Publishes the first `size` bytes, at most those of the last try_reserve.
  void commit(std::size_t size);

  // ---- consumer's thread
  // What can be read now: one or two runs of bytes in order, either of which may be empty. Valid until consume().
  std::array<std::string_view, 2> peek();
  // Frees the first `size` bytes, at most those that the last peek() showed. Need not end at a record's end.
  void consume(std::size_t size);

  // ---- any thread
  std::uint64_t dropped_records() const { return dropped_records_.value(); }
  std::uint64_t dropped_bytes() const { return dropped_bytes_.value(); }

 private:
  static constexpr std::size_t cache_line = 64;

  // Positions count bytes since the start and never wrap around; position & mask_ is the place in the ring. A record
  // never crosses the end of the ring: the producer skips to its start, and says in `lap_end_` where the bytes before
  // end. There is one such note at a time: to skip once more the producer must reach the end again, past what the
  // consumer has freed.
  const std::size_t mask_;
  const std::unique_ptr<char[]> bytes_;

  alignas(cache_line) std::atomic<std::uint64_t> head_{0};  // written by the producer
  std::atomic<std::uint64_t> lap_end_{~std::uint64_t{0}};   // written by the producer, published by head_
  std::uint64_t seen_tail_ = 0;                             // the producer's copy: reads tail_ only when it looks full
  std::uint64_t reserved_ = 0;                              // where the current reservation starts
  Counter dropped_records_;
  Counter dropped_bytes_;

  alignas(cache_line) std::atomic<std::uint64_t> tail_{0};  // written by the consumer
};

}  // namespace sluice
