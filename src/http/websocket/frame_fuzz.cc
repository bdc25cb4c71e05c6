// libFuzzer: what the meter lets pass does not depend on where its bytes are cut, is a prefix of what came, ends where
// a plain reader of frames says that one ends or goes on, and no more than a header is kept back.

#include <cstdint>
#include <string>
#include <vector>

#include "base/fuzz_input.h"
#include "http/websocket/frame_meter.h"

namespace {

using namespace sluice;                   // NOLINT: a program of its own
using namespace sluice::http::websocket;  // NOLINT
using fuzz::require;

struct Outcome {
  std::string passed;
  std::string breach;
  std::uint64_t messages = 0;
  bool is_between = false, has_closed = false;
  bool operator==(const Outcome&) const = default;
};

Outcome pass(std::string_view bytes, std::size_t step, const FrameLimits& limits, bool is_masked) {
  Outcome out;
  FrameMeter meter(is_masked);
  FrameCounts counts;
  std::size_t taken = 0;
  while (taken < bytes.size() && out.breach.empty()) {
    const std::string_view piece = bytes.substr(taken, step);
    const auto passage = meter.pass(piece, limits, counts, Instant{std::chrono::seconds(9)}, false);
    require(passage.passed <= piece.size(), "no more than came");
    if (passage.sends_kept) out.passed += meter.kept();
    out.passed += piece.substr(0, passage.passed);
    taken += piece.size();
    if (passage.breach.cause != nullptr) out.breach = std::string(passage.breach.cause->code) + passage.breach.detail;
    require(!out.breach.empty() || taken - out.passed.size() < 14, "only a header is kept back");
  }
  out.messages = meter.messages();
  out.is_between = meter.is_between_frames();
  out.has_closed = meter.has_closed();
  return out;
}

// Whether `bytes` end between two frames: read in the simplest way.
bool ends_between(std::string_view bytes) {
  std::uint64_t at = 0;
  while (at < bytes.size()) {
    const auto byte = [&](std::uint64_t index) { return std::uint64_t{static_cast<unsigned char>(bytes[index])}; };
    std::uint64_t length = byte(at + 1) & 127, header = 2 + ((byte(at + 1) & 128) != 0 ? 4 : 0);
    const std::uint64_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (more > 0) length = 0;
    for (std::uint64_t i = 0; i < more; ++i) length = length << 8 | byte(at + 2 + i);
    at += header + more + length;
  }
  return at == bytes.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const unsigned knobs = input.take_byte();
  const std::size_t step = 1 + input.take_byte() % 40;
  const FrameLimits limits{.message_bytes = (knobs & 2) != 0 ? 300u : 0u,
                           .messages = {.count = (knobs & 4) != 0 ? 5u : 0u},
                           .controls = {.count = (knobs & 8) != 0 ? 3u : 0u}};
  const bool is_masked = (knobs & 1) != 0;
  const std::string_view bytes = input.rest();
  const Outcome whole = pass(bytes, bytes.size() + 1, limits, is_masked);
  require(pass(bytes, step, limits, is_masked) == whole, "cuts do not matter");
  require(bytes.starts_with(whole.passed), "bytes pass as they came");
  require(ends_between(whole.passed) == whole.is_between, "what passed ends where the meter says");
  return 0;
}
