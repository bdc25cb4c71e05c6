#pragma once
// Connections to endpoints, for the pool of one worker: which codec speaks on them. Nothing but that choice.

#include <memory>

#include "http/h1/client_connection.h"
#include "http/h2/client_connection.h"
#include "net/tls/client_sessions.h"
#include "upstream/pool.h"

namespace sluice::upstream {

class CodecConnector final : public Connector {
 public:
  explicit CodecConnector(net::Loop& loop) : loop_(loop) {}

  // `automatic`: with `tls` what the peer chooses by ALPN, HTTP/1.1 when it chooses nothing; in the clear HTTP/1.1.
  std::unique_ptr<http::UpstreamConnection> connect(const net::Address& to, const Manner& manner,
                                                    http::UpstreamConnectionOwner& owner) override;
  const http::h2::SessionMemory& memory() const { return memory_; }

 private:
  class Negotiated;
  using Dial = http::h2::ClientConnection::Dial;
  std::unique_ptr<http::UpstreamConnection> speak(bool is_http2, const net::Address& to, const Dial& dial,
                                                  http::UpstreamConnectionOwner& owner);

  net::Loop& loop_;
  net::tls::ClientSessions sessions_;
  // Connections refer to them: the connector outlives the pool.
  const http::h1::ClientSettings http1_settings_;
  const http::h2::ClientSettings http2_settings_;
  http::h2::SessionMemory memory_;
};

}  // namespace sluice::upstream
