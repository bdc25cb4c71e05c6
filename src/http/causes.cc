#include "http/causes.h"

namespace sluice::http {

std::span<const Cause* const> causes() {
  static constexpr const Cause* all[] = {
      &request_malformed,
      &request_target_refused,
      &request_uri_too_long,
      &request_header_too_large,
      &request_version_unsupported,
      &request_coding_unsupported,
      &request_method_unsupported,
      &request_expectation_failed,
      &request_header_timeout,
      &request_body_timeout,
      &request_body_malformed,
      &request_body_too_large,
      &client_closed,
      &client_too_slow,
      &client_misbehaved,
      &websocket_handshake_malformed,
      &websocket_version_unsupported,
      &websocket_frame_malformed,
      &websocket_message_too_large,
      &websocket_too_many_messages,
  };
  return all;
}

}  // namespace sluice::http
