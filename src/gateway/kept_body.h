#pragma once
// A small request body as far as it was handed to an attempt on a pooled connection: such a connection may have died
// unseen, and then the request goes out again on a fresh one, whole. Not for bodies whose size is unknown or large:
// those are gone once sent. One copy of the bytes; no heap allocation after warm-up.

#include <cstring>
#include <utility>

#include "http/message.h"
#include "net/loop.h"

namespace sluice::gateway {

class KeptBody {
 public:
  static constexpr std::int64_t most_bytes = 16 << 10;

  // Before the first byte. Keeps nothing of a body that it could not keep whole.
  void start(net::Loop& loop, http::BodySize size) {
    if (size.is_unknown() || size.bytes > most_bytes) return;
    bytes_ = loop.make_buffer(static_cast<std::size_t>(size.bytes));
    bytes_.set_size(0);
  }
  void add(const net::Buffer& piece) {
    if (!bytes_) return;
    std::memcpy(bytes_.data() + bytes_.size(), piece.data(), piece.size());  // fits: never more than announced comes
    bytes_.extend(piece.size());
  }
  bool is_kept() const { return static_cast<bool>(bytes_); }
  net::Buffer take() { return std::exchange(bytes_, {}); }
  void drop() { bytes_ = {}; }

 private:
  net::Buffer bytes_;
};

}  // namespace sluice::gateway
