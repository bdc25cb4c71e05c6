#pragma once
// Takes one message's body out of the bytes of an HTTP/1 connection, whatever its framing. Buffers pass through: data
// is copied only where a block also holds bytes of the next message. Not for heads (h1/parser.h); knows nothing of
// credit, that is the connections' affair.

#include <cstdint>

#include "base/arena.h"
#include "base/result.h"
#include "http/h1/chunked.h"
#include "http/h1/parser.h"
#include "net/buffer.h"
#include "net/loop.h"

namespace sluice::http::h1 {

class BodyReader {
 public:
  // `length`: for Framing::length. `arena` will hold trailers.
  void start(Framing framing, std::int64_t length, const HeadLimits& limits, Arena& arena);

  // Takes the next piece out of `input` (not empty); what does not belong to it stays there. The piece is empty when
  // the bytes were framing only. Not when complete. Consumes at least one byte. errors: malformed/too_large of the
  // chunked coding, side client. cost: no copy but at the end of a message with more bytes behind it: then the smaller
  // part, at most 64 KiB.
  Result<net::Buffer> take(net::Buffer& input, net::Loop& loop);
  // The peer will send no more. True when that completes the body (until_close).
  bool end_of_input();

  bool is_complete() const { return is_complete_; }
  bool is_until_close() const { return framing_ == Framing::until_close; }
  // Bytes of a body of known length still to come; BodySize::unknown for the other framings.
  std::int64_t remaining() const { return framing_ == Framing::length ? remaining_ : BodySize::unknown; }
  std::uint64_t wire_bytes() const { return wire_bytes_; }  // taken so far, framing included
  const FieldList& trailers() const;                        // once complete

 private:
  Result<net::Buffer> take_chunked(net::Buffer& input, net::Loop& loop);

  Framing framing_ = Framing::none;
  bool is_complete_ = true;
  std::int64_t remaining_ = 0;
  std::uint64_t wire_bytes_ = 0;
  ChunkedDecoder decoder_;
};

}  // namespace sluice::http::h1
