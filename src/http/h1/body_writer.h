#pragma once
// Frames one message's body for the wire of an HTTP/1 connection, and keeps the promise that the head made: never more
// bytes than announced, never a clean end with fewer.
// Not for heads (h1/writer.h).

#include <cstdint>
#include <string_view>

#include "http/h1/parser.h"
#include "http/message.h"
#include "net/stream.h"

namespace sluice::http::h1 {

class BodyWriter {
 public:
  // `length`: for Framing::length.
  void start(Framing framing, std::int64_t length);

  // False when bytes had to be cut because more came than the head announced (all of them for Framing::none).
  bool write(net::Stream& stream, net::Buffer bytes);
  bool write(net::Stream& stream, std::string_view bytes);
  // False when the message is not whole: fewer bytes than announced, or a trailer that must not be written (S26).
  // Trailers are left out where the framing has no place for them.
  bool end(net::Stream& stream, const FieldList* trailers);

  std::uint64_t wire_bytes() const { return wire_bytes_; }  // written so far, framing included

 private:
  std::size_t admit(std::size_t bytes);
  void write_chunk_head(net::Stream& stream, std::size_t bytes);
  bool write_last_chunk(net::Stream& stream, const FieldList* trailers);

  Framing framing_ = Framing::none;
  std::int64_t remaining_ = 0;
  std::uint64_t wire_bytes_ = 0;
};

}  // namespace sluice::http::h1
