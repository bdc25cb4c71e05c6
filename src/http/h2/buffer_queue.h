#pragma once
// Body bytes of one stream that wait: for the gateway to pull them, or for their turn on the connection. Small pieces
// are copied together, so that a peer that sends single bytes does not hold a block for each. Who fills it bounds it:
// by the window it gave, or by what it pulls. Keeps its memory for the next stream.

#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "net/buffer.h"
#include "net/loop.h"

namespace sluice::http::h2 {

class BufferQueue {
 public:
  std::size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }

  void push(net::Buffer buffer) {
    bytes_ += buffer.size();
    if (buffer.size() <= copied_bytes && append(buffer.view())) return;
    buffers_.push_back(std::move(buffer));
    is_last_ours_ = false;
  }
  void push(net::Loop& loop, std::string_view text) {
    bytes_ += text.size();
    if (append(text)) return;
    net::Buffer fresh = loop.make_buffer(text.size() > least_block ? text.size() : least_block);
    std::memcpy(fresh.block(), text.data(), text.size());
    fresh.set_size(text.size());
    buffers_.push_back(std::move(fresh));
    is_last_ours_ = true;
  }
  // The first buffer. Not when empty.
  net::Buffer pop() {
    net::Buffer first = std::move(buffers_[first_]);
    bytes_ -= first.size();
    drop_first();
    return first;
  }
  // Moves exactly `bytes` from the front into `out`.
  template <class Out>
  void write(net::Loop& loop, Out& out, std::size_t bytes) {
    while (bytes > 0) {
      net::Buffer& first = buffers_[first_];
      if (first.size() <= bytes) {
        bytes -= first.size();
        out.write(pop());
      } else if (bytes <= copied_bytes) {
        out.write(first.view().substr(0, bytes));
        first.drop_front(bytes);
        bytes_ -= std::exchange(bytes, 0);
      } else {
        net::Buffer part = loop.share(first);
        is_last_ours_ = false;
        part.truncate(bytes);
        first.drop_front(bytes);
        bytes_ -= std::exchange(bytes, 0);
        out.write(std::move(part));
      }
    }
  }
  void clear() {
    buffers_.clear();
    first_ = bytes_ = 0;
    is_last_ours_ = false;
  }

 private:
  static constexpr std::size_t copied_bytes = 2048, least_block = 4096;

  bool append(std::string_view text) {
    if (buffers_.empty() || !is_last_ours_ || buffers_.back().tail_room() < text.size()) return false;
    net::Buffer& last = buffers_.back();
    std::memcpy(last.data() + last.size(), text.data(), text.size());
    last.extend(text.size());
    return true;
  }
  void drop_first() {
    if (++first_ < buffers_.size()) return;
    buffers_.clear();
    first_ = 0;
    is_last_ours_ = false;
  }

  std::vector<net::Buffer> buffers_;  // from first_ on
  std::size_t first_ = 0;
  std::size_t bytes_ = 0;
  bool is_last_ours_ = false;  // made here: more may be added behind its bytes
};

}  // namespace sluice::http::h2
