#pragma once
// Failed TLS handshakes in the gateway's own log: which listener, whose, and why. Anybody can make handshakes fail, so
// they are no log of each: of every reason the first is told at once, and then one each `pause`, which says how many
// were not. The metric counts them all. Of one worker; only on its thread.

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "gateway/metrics.h"
#include "net/address.h"

namespace sluice::gateway {

class HandshakeNotes {
 public:
  static constexpr Duration pause = std::chrono::seconds(10);

  // `tell` gets a line without its end; it must not wait. May be empty.
  explicit HandshakeNotes(std::function<void(std::string)> tell) : tell_(std::move(tell)) {}

  void failed(Instant now, std::string_view listener, const net::Address& client, const Error& error);

 private:
  struct Reason {
    Instant next{};            // of the next line
    std::uint64_t untold = 0;  // since the last one
  };
  std::function<void(std::string)> tell_;
  std::array<Reason, WorkerMetrics::tls_faults> reasons_;
};

}  // namespace sluice::gateway
