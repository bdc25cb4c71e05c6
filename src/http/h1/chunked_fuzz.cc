// libFuzzer: decoding a chunked body does not depend on where its bytes are cut, never makes more of it than there was,
// and agrees with a second parser on every body it accepts.

#include <cstdint>
#include <string>
#include <vector>

#include "base/fuzz_input.h"
#include "http/h1/chunked.h"
#include "http/h1/framing_fields.h"
#include "http/h1/second_parser.h"

namespace {

using namespace sluice;            // NOLINT: a program of its own
using namespace sluice::http::h1;  // NOLINT
using fuzz::require;

const http::HeadLimits limits{.field_line_bytes = 128, .fields = 8, .trailer_bytes = 256, .chunk_extension_bytes = 64};

struct Decoded {
  std::string error;  // "" when there is none
  std::string data;
  std::string trailers;
  std::size_t consumed = 0;
  bool complete = false;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(const std::vector<std::string_view>& pieces) {
  Arena arena;
  ChunkedDecoder decoder;
  decoder.start(limits, arena);
  Decoded out;
  for (const std::string_view piece : pieces) {
    std::vector<char> block(piece.begin(), piece.end());
    const auto decoded = decoder.decode(block.data(), block.size());
    if (!decoded) return {.error = decoded.error().what, .data = {}, .trailers = {}};
    require(decoded->data_bytes <= decoded->consumed && decoded->consumed <= block.size(), "no more than there was");
    require(decoded->complete || decoded->consumed == block.size(), "all is taken until the end");
    out.data.append(block.data(), decoded->data_bytes);
    out.consumed += decoded->consumed;
    if (!decoded->complete) continue;
    for (const http::Field& field : decoder.trailers()) {
      require(!is_forbidden_trailer(field), "no trailer that RFC 9110 forbids");
      out.trailers.append(field.name).append(": ").append(field.value).append("\n");
    }
    require(arena.used_bytes() <= 32 * 1024, "memory is bounded by the limits");
    out.complete = true;
    return out;
  }
  return out;
}

std::vector<std::string_view> steps(std::string_view bytes, std::size_t step) {
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < bytes.size(); at += step) pieces.push_back(bytes.substr(at, step));
  return pieces;
}

// A trailer that the second parser takes for framing, or a line of data that looks like one.
bool has_framing_line(std::string_view bytes) {
  std::string lower;
  for (const char c : bytes) lower += http::to_lower(c);
  for (const std::string_view name :
       {"transfer-encoding", "content-length", "connection", "proxy-connection", "upgrade"})
    if (lower.contains("\n" + std::string(name))) return true;
  return false;
}

// Where llhttp 8 in strict mode reads otherwise:
//   - extensions: its grammar differs from RFC 9112's in places, both ways; bodies with a semicolon are not compared;
//   - trailers named like framing fields: it judges their values, we drop them (RFC 9110 section 6.5.1).
void compare(std::string_view bytes, const Decoded& ours) {
  const std::string_view body = bytes.substr(0, ours.consumed);
  if (!ours.complete || body.contains(';') || has_framing_line(body)) return;
  constexpr std::string_view head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
  const second_parser::Message theirs = second_parser::read_request(std::string(head).append(body));
  require(theirs.error.empty(), "the second parser accepts the body");
  require(theirs.is_complete && theirs.consumed == head.size() + ours.consumed, "it ends the body where we do");
  require(theirs.body == ours.data, "it sees the same data");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const fuzz::Cuts cuts(input);
  const std::string_view bytes = input.rest();
  const Decoded whole = decode({bytes});
  const std::size_t cut = cuts.first % (bytes.size() + 1);
  require(decode({bytes.substr(0, cut), bytes.substr(cut)}) == whole, "a cut changes nothing");
  require(decode(steps(bytes, cuts.step)) == whole, "many cuts change nothing");
  compare(bytes, whole);
  return 0;
}
