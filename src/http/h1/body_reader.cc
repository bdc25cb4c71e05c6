#include "http/h1/body_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sluice::http::h1 {
namespace {

constexpr std::size_t most_copied_bytes = 64 * 1024;  // what Loop::make_buffer gives

// `input` holds `data` bytes of a body in front; from `consumed` on it holds bytes of something else. Returns the data
// and leaves the rest in `input`. The smaller part is copied; one of the two is at most most_copied_bytes.
net::Buffer split(net::Buffer& input, std::size_t data, std::size_t consumed, net::Loop& loop) {
  const std::size_t rest = input.size() - consumed;
  if (data == 0) {
    input.drop_front(consumed);
    return {};
  }
  if (rest == 0) {
    net::Buffer whole = std::exchange(input, net::Buffer());
    whole.truncate(data);
    return whole;
  }
  const std::string_view copied = data <= rest ? input.view().substr(0, data) : input.view().substr(consumed);
  net::Buffer copy = loop.make_buffer(copied.size());
  std::memcpy(copy.block(), copied.data(), copied.size());
  copy.set_size(copied.size());
  if (data <= rest) {
    input.drop_front(consumed);
    return copy;
  }
  net::Buffer front = std::exchange(input, std::move(copy));
  front.truncate(data);
  return front;
}

}  // namespace

void BodyReader::start(Framing framing, std::int64_t length, const HeadLimits& limits, Arena& arena) {
  framing_ = framing;
  remaining_ = framing == Framing::length ? length : 0;
  is_complete_ = framing == Framing::none || (framing == Framing::length && length == 0);
  wire_bytes_ = 0;
  if (framing == Framing::chunked) decoder_.start(limits, arena);
}

Result<net::Buffer> BodyReader::take(net::Buffer& input, net::Loop& loop) {
  if (framing_ == Framing::chunked) return take_chunked(input, loop);
  if (framing_ == Framing::until_close) {
    wire_bytes_ += input.size();
    return std::exchange(input, net::Buffer());
  }
  std::size_t mine = input.size();
  if (static_cast<std::uint64_t>(remaining_) < mine) {
    mine = static_cast<std::size_t>(remaining_);
    if (input.size() - mine > most_copied_bytes) mine = std::min(mine, most_copied_bytes);
  }
  remaining_ -= static_cast<std::int64_t>(mine);
  wire_bytes_ += mine;
  is_complete_ = remaining_ == 0;
  return split(input, mine, mine, loop);
}

Result<net::Buffer> BodyReader::take_chunked(net::Buffer& input, net::Loop& loop) {
  // Bounded, so that the data of the last chunk can be copied when the block goes on with another message.
  const auto decoded = decoder_.decode(input.data(), std::min(input.size(), most_copied_bytes));
  if (!decoded) return std::unexpected(decoded.error());
  wire_bytes_ += decoded->consumed;
  is_complete_ = decoded->complete;
  return split(input, decoded->data_bytes, decoded->consumed, loop);
}

bool BodyReader::end_of_input() {
  if (framing_ == Framing::until_close) is_complete_ = true;
  return is_complete_;
}

const FieldList& BodyReader::trailers() const {
  static constexpr FieldList none;
  return framing_ == Framing::chunked ? decoder_.trailers() : none;
}

}  // namespace sluice::http::h1
