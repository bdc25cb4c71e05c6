#pragma once
// Received bytes that wait for their turn on an HTTP/1 connection: body bytes without credit, pipelined requests.
// Bounded: the connection pauses reading when is_full(); a few more slots stand ready for what a backend hands over all
// the same. Not a parser: it knows no borders between messages.

#include <array>
#include <cstring>
#include <utility>

#include "net/buffer.h"

namespace sluice::http::h1 {

class InputQueue {
 public:
  // False when there is no slot left: the stream broke its promise to pause; the connection cannot go on.
  bool push(net::Buffer bytes) {
    if (size_ > 0 && append(slots_[size_ - 1], bytes)) return true;
    if (size_ == slots_.size()) return false;
    slots_[size_++] = std::move(bytes);
    return true;
  }
  bool empty() const { return size_ == 0; }
  bool is_full() const { return size_ >= pause_at; }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const net::Buffer& slot : slots_) sum += slot.size();
    return sum;
  }
  net::Buffer& front() { return slots_[0]; }
  // To be called after bytes were taken out of front().
  void drop_empty_front() {
    if (size_ == 0 || !slots_[0].empty()) return;
    for (std::size_t i = 1; i < size_; ++i) slots_[i - 1] = std::move(slots_[i]);
    slots_[--size_] = net::Buffer();
  }
  void clear() {
    while (size_ > 0) slots_[--size_] = net::Buffer();
  }

 private:
  static constexpr std::size_t pause_at = 2;
  // Small pieces are copied together, so that a peer that sends single bytes does not hold a block for each.
  static constexpr std::size_t copied_bytes = 2048;

  static bool append(net::Buffer& last, const net::Buffer& bytes) {
    if (bytes.size() > copied_bytes || last.tail_room() < bytes.size()) return false;
    std::memcpy(last.data() + last.size(), bytes.data(), bytes.size());
    last.extend(bytes.size());
    return true;
  }

  std::array<net::Buffer, 4> slots_;
  std::size_t size_ = 0;
};

}  // namespace sluice::http::h1
