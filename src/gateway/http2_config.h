#pragma once
// Keys of a listener that say which protocols it speaks and what one HTTP/2 connection may do. In force they are
// http::h2::ServerSettings.

#include <chrono>
#include <cstdint>
#include <tuple>

#include "config/units.h"
#include "config/value.h"
#include "http/h2/server_connections.h"

namespace sluice::gateway {

enum class Protocol : std::uint8_t { http1, http2 };
constexpr auto enum_names(Protocol) {
  using config::EnumName;
  return std::array{EnumName{Protocol::http1, "http1"}, EnumName{Protocol::http2, "http2"}};
}

struct Http2Config {
  std::uint32_t max_concurrent_streams = 100;
  config::Size stream_window{64 * 1024};
  config::Size connection_window{1024 * 1024};
  std::uint32_t max_continuations = 8;
  std::uint32_t max_glitches = 1'000;
  config::Size max_memory{4 * 1024 * 1024};
  std::chrono::milliseconds window_stall_timeout{30'000};

  http::h2::ServerSettings settings(std::uint32_t header_bytes) const;

  static constexpr const char* doc = "What one HTTP/2 connection of a client may do.";
  static constexpr auto fields() {
    using config::field;
    using config::Size;
    using std::chrono::milliseconds;
    return std::tuple{
        field("max_concurrent_streams", &Http2Config::max_concurrent_streams, 1u, 10'000u,
              "Most requests in progress on one connection. The client is told; past it streams are refused."),
        field("stream_window", &Http2Config::stream_window, Size{16 * 1024}, Size{16 << 20},
              "Most bytes of one request's body that are taken ahead of the upstream."),
        field("connection_window", &Http2Config::connection_window, Size{64 * 1024}, Size{64 << 20},
              "Most bytes of all bodies together that may be on their way at once."),
        field("max_continuations", &Http2Config::max_continuations, 1u, 64u,
              "Most CONTINUATION frames of one head. Past it the connection ends."),
        field("max_glitches", &Http2Config::max_glitches, 10u, 1'000'000u,
              "Budget of odd frames: resets, control frames, empty frames, shut windows. A tenth of it comes back each "
              "second, and each answered request earns some. Used up, the connection ends with ENHANCE_YOUR_CALM."),
        field("max_memory", &Http2Config::max_memory, Size{128 * 1024}, Size{1 << 30},
              "Most memory that one connection may hold before new streams are refused."),
        field("window_stall_timeout", &Http2Config::window_stall_timeout, milliseconds{10}, std::chrono::hours{1},
              "How long an answer may wait for its client to open a window, at most."),
    };
  }
};

}  // namespace sluice::gateway
