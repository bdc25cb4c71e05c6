// libFuzzer: the outcome does not depend on cuts, and what is written for an accepted head reads back as the same head.
// The first byte says where to cut.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "http/h1/parser.h"
#include "http/h1/sample_test.h"

namespace {

using namespace sluice;            // NOLINT: a program of its own
using namespace sluice::http::h1;  // NOLINT

void require(bool holds) {
  if (!holds) std::abort();
}

void check_request(std::string_view bytes, std::size_t step) {
  const sample::Outcome whole = sample::parse(bytes);
  require(sample::parse_in_steps(bytes, step) == whole);
  require(sample::parse_in_two(bytes, bytes.size() * step / 256) == whole);
  if (!whole.complete || whole.request.contains("  host=")) return;  // HTTP/1.0 without Host: the gateway names one
  const sample::Outcome again = sample::parse(whole.rewritten);
  require(again.complete && again.consumed == whole.rewritten.size() && again.rewritten == whole.rewritten);
}

std::string read_response(std::string_view bytes, std::size_t step) {
  Arena arena;
  const http::HeadLimits limits;
  ResponseParser parser(limits);
  parser.start(arena, http::Method::get);
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const auto progress = parser.feed(bytes.substr(at, step));
    if (!progress) return progress.error().what;
    if (!progress->complete) continue;
    const http::ResponseHead& head = parser.head();
    std::string out(head_bytes(head), '\0');
    const std::size_t size = write_response(head, parser.framing(), parser.keep_alive(), false, out.data());
    require(size > 0);
    return out.substr(0, size);
  }
  return "incomplete";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t step = std::size_t{1} + data[0] % 64u;
  check_request(bytes, step);
  require(read_response(bytes, step) == read_response(bytes, bytes.size()));
  return 0;
}
