#pragma once
// Connections that speak HTTP/1, for the pool of one worker. Nothing but the choice of the codec.

#include <memory>

#include "http/h1/client_connection.h"
#include "net/tls/stream.h"
#include "upstream/pool.h"

namespace sluice::upstream {

class H1Connector final : public Connector {
 public:
  H1Connector(net::Loop& loop, const http::h1::ClientSettings& settings) : loop_(loop), settings_(settings) {}

  std::unique_ptr<http::UpstreamConnection> connect(const net::Address& to, const TlsPtr& tls,
                                                    http::UpstreamConnectionOwner& owner) override {
    const auto dial = [&](net::StreamHandler& handler) {
      return tls == nullptr ? loop_.connect(to, handler) : net::tls::connect(loop_, to, handler, tls, sessions_);
    };
    return std::make_unique<http::h1::ClientConnection>(loop_, dial, settings_, owner);
  }

 private:
  net::Loop& loop_;
  net::tls::ClientSessions sessions_;
  const http::h1::ClientSettings settings_;  // connections refer to it: the connector outlives the pool
};

}  // namespace sluice::upstream
