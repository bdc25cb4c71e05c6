#pragma once
// The chunked transfer coding (RFC 9112 section 7.1): decoded in place, so that a block of chunks becomes a block of
// data.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "http/h1/head_text.h"
#include "http/message.h"

namespace sluice::http::h1 {

class ChunkedDecoder {
 public:
  // `arena` will hold trailers. `limits` must outlive the message.
  void start(const HeadLimits& limits, Arena& arena);

  struct Decoded {
    std::size_t data_bytes;  // decoded bytes, moved to the front of the block
    std::size_t consumed;    // bytes of the block that belong to this message; behind them another message may begin
    bool complete;           // the last chunk and the trailers were read
  };
  // Decodes block[0, size). errors: malformed/too_large (side client; the caller sets it for upstreams).
  // The result is the same wherever the bytes are cut. cost: one pass, memmove of data only when framing stands before
  // it. Stricter than RFC 9112: no white space around extensions, no LF without CR, at most 16 digits.
  std::expected<Decoded, Error> decode(char* block, std::size_t size);
  // Once complete: fields, checked like header fields, framing and routing fields dropped (S24, is_forbidden_trailer).
  const FieldList& trailers() const { return trailers_; }

 private:
  enum class State : std::uint8_t {
    size,  // before the first digit
    size_digits,
    extension_name,  // behind `;`: the first character of the name
    extension_name_rest,
    extension_value,  // behind `=`
    extension_token,
    extension_quoted,
    extension_escape,  // behind `\` in a quoted string
    extension_end,     // behind a quoted string
    size_lf,
    data,
    data_cr,
    data_lf,
    trailers,  // behind the last chunk's line
    trailer_fields,
    last_lf,
    complete,
  };

  const char* step(char c);
  const char* step_extension(char c);
  const char* end_of_size(char c);
  const char* take_digit(int digit);
  std::expected<std::size_t, Error> read_trailers(std::string_view input);

  const HeadLimits* limits_ = nullptr;
  Arena* arena_ = nullptr;
  HeadText text_;
  FieldList trailers_;
  std::uint64_t chunk_left_ = 0;       // data bytes of this chunk still to come; while its size is read, the size
  std::uint32_t extension_bytes_ = 0;  // of all chunks
  std::uint32_t trailer_count_ = 0;
  State state_ = State::complete;
  std::uint8_t digits_ = 0;
};

}  // namespace sluice::http::h1
