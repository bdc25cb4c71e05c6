// libFuzzer: the outcome of decoding does not depend on cuts. The first byte says where to cut.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "http/h1/chunked.h"

namespace {

using namespace sluice;            // NOLINT: a program of its own
using namespace sluice::http::h1;  // NOLINT

// Data, trailers and bytes consumed; or the error.
std::string decode(std::string_view bytes, std::size_t step) {
  Arena arena;
  const http::HeadLimits limits{.chunk_extension_bytes = 64};
  ChunkedDecoder decoder;
  decoder.start(limits, arena);
  std::string out;
  std::size_t consumed = 0;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const std::string_view piece = bytes.substr(at, step);
    std::vector<char> block(piece.begin(), piece.end());
    const auto decoded = decoder.decode(block.data(), block.size());
    if (!decoded) return decoded.error().what;
    if (decoded->data_bytes > decoded->consumed || decoded->consumed > block.size()) std::abort();
    out.append(block.data(), decoded->data_bytes);
    consumed += decoded->consumed;
    if (!decoded->complete) continue;
    for (const http::Field& field : decoder.trailers())
      out.append(field.name).append(": ").append(field.value).append("\n");
    return out + " complete " + std::to_string(consumed);
  }
  return out + " incomplete";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (decode(bytes, std::size_t{1} + data[0] % 64u) != decode(bytes, bytes.size())) std::abort();
  return 0;
}
