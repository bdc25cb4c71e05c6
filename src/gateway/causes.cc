#include "gateway/causes.h"

namespace sluice::gateway {

std::span<const Cause* const> causes() {
  static constexpr const Cause* all[] = {
      &no_route,
      &request_misdirected,
      &upstream_no_endpoint,
      &upstream_connect_refused,
      &upstream_connect_timeout,
      &upstream_unreachable,
      &upstream_tls_failed,
      &upstream_timeout_first_byte,
      &upstream_timeout_idle,
      &upstream_timeout_request,
      &grpc_deadline_exceeded,
      &upstream_reset,
      &upstream_response_malformed,
      &response_field_refused,
      &request_field_refused,
      &gateway_exhausted,
      &gateway_overloaded,
      &gateway_memory_exhausted,
      &connections_exceeded,
      &client_connections_exceeded,
      &gateway_no_local_port,
      &upstream_pending_exceeded,
      &websocket_not_allowed,
      &websocket_upstream_http2,
      &stream_idle,
      &stream_max_age,
      &stream_route_changed,
      &stream_listener_removed,
      &stream_drained,
  };
  return all;
}

}  // namespace sluice::gateway
