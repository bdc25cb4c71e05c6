#pragma once
// Connections to endpoints, for the pool of one worker: which codec speaks on them. Nothing but that choice.

#include <memory>

#include "http/h1/client_connection.h"
#include "http/h2/client_connection.h"
#include "net/tls/stream.h"
#include "upstream/pool.h"

namespace sluice::upstream {

class CodecConnector final : public Connector {
 public:
  explicit CodecConnector(net::Loop& loop) : loop_(loop) {}

  std::unique_ptr<http::UpstreamConnection> connect(const net::Address& to, Protocol protocol, const TlsPtr& tls,
                                                    http::UpstreamConnectionOwner& owner) override {
    const auto dial = [&](net::StreamHandler& handler) {
      return tls == nullptr ? loop_.connect(to, handler) : net::tls::connect(loop_, to, handler, tls, sessions_);
    };
    if (protocol == Protocol::http2)
      return std::make_unique<http::h2::ClientConnection>(loop_, to, http2_settings_, memory_, owner, dial);
    return std::make_unique<http::h1::ClientConnection>(loop_, dial, http1_settings_, owner);
  }
  const http::h2::SessionMemory& memory() const { return memory_; }

 private:
  net::Loop& loop_;
  net::tls::ClientSessions sessions_;
  // Connections refer to them: the connector outlives the pool.
  const http::h1::ClientSettings http1_settings_;
  const http::h2::ClientSettings http2_settings_;
  http::h2::SessionMemory memory_;
};

}  // namespace sluice::upstream
