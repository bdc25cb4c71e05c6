#include "gateway/http2_config.h"

namespace sluice::gateway {

http::h2::ServerSettings Http2Config::settings(std::uint32_t header_bytes) const {
  return {.session = {.concurrent_streams = max_concurrent_streams,
                      .stream_window_bytes = static_cast<std::uint32_t>(stream_window.bytes),
                      .connection_window_bytes = static_cast<std::uint32_t>(connection_window.bytes),
                      .header_list_bytes = header_bytes,
                      .continuations = max_continuations},
          .glitches = max_glitches,
          .connection_bytes = max_memory.bytes,
          .window_stall = window_stall_timeout};
}

}  // namespace sluice::gateway
