#pragma once
// A small request body as far as it was handed to an attempt on a pooled connection: such a connection may have died
// unseen, and then the request goes out again on a fresh one, whole. Not for bodies whose size is unknown or large:
// those are gone once sent. The first pieces are shared with what sends them; from the first small piece on the rest is
// copied. No heap allocation after warm-up.

#include <array>
#include <cstring>
#include <utility>

#include "http/message.h"
#include "net/loop.h"

namespace sluice::gateway {

class KeptBody {
 public:
  static constexpr std::int64_t most_bytes = 16 << 10;
  // A piece keeps the whole block it came in: smaller ones are copied together.
  static constexpr std::size_t shared_from_bytes = 4 << 10;
  static constexpr std::size_t most_pieces = most_bytes / shared_from_bytes + 1;
  using Pieces = std::array<net::Buffer, most_pieces>;

  // Before the first byte. Keeps nothing of a body that it could not keep whole.
  void start(http::BodySize size) {
    if (size.is_unknown() || size.bytes > most_bytes) return;
    is_kept_ = true;
    left_ = static_cast<std::size_t>(size.bytes);
  }
  void add(net::Loop& loop, net::Buffer& piece) {  // never more than announced comes
    if (!is_kept_) return;
    if (!is_copying_ && piece.size() >= shared_from_bytes) {
      pieces_[count_++] = loop.share(piece);
    } else {
      copy(loop, piece.view());
    }
    left_ -= piece.size();
  }
  bool is_kept() const { return is_kept_; }
  // In order, the unused ones empty. Afterwards nothing is kept.
  Pieces take() {
    is_kept_ = is_copying_ = false;
    count_ = 0;
    return std::exchange(pieces_, {});
  }
  void drop() {
    if (is_kept_) (void)take();
  }

 private:
  void copy(net::Loop& loop, std::string_view bytes) {
    net::Buffer& last = pieces_[count_];
    if (!std::exchange(is_copying_, true)) {
      last = loop.make_buffer(left_);
      last.set_size(0);
    }
    std::memcpy(last.data() + last.size(), bytes.data(), bytes.size());
    last.extend(bytes.size());
  }

  Pieces pieces_;
  std::size_t left_ = 0;  // of the body, still to come
  std::size_t count_ = 0;
  bool is_kept_ = false;
  bool is_copying_ = false;
};

}  // namespace sluice::gateway
