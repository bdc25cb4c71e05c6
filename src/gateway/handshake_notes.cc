#include "gateway/handshake_notes.h"

#include <fmt/format.h>

#include <utility>

namespace sluice::gateway {

void HandshakeNotes::failed(Instant now, std::string_view listener, const net::Address& client, const Error& error) {
  const std::size_t number = WorkerMetrics::tls_fault_number(error);
  Reason& reason = reasons_[number];
  if (!tell_ || now < reason.next) {
    ++reason.untold;
    return;
  }
  reason.next = now + pause;
  const std::uint64_t untold = std::exchange(reason.untold, 0);
  const std::string more = untold == 0 ? "" : fmt::format("; {} more for this reason since the last such line", untold);
  tell_(fmt::format("listener {}: the TLS handshake with {} failed: {} ({}){}", listener, client.text(), error.what,
                    WorkerMetrics::tls_fault_name(number), more));
}

}  // namespace sluice::gateway
