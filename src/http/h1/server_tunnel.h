#pragma once
// A client's connection after its WebSocket was accepted: takes the place of the ServerConnection among those of its
// listener, and ends as one. Owns itself; ServerConnections makes it. Only on the worker's thread.

#include <cstdint>

#include "http/h1/server_connections.h"
#include "http/h1/tunnel_stream.h"

namespace sluice::http::h1 {

class ServerTunnel final : public ConnectionLink, private TunnelStream::Owner {
 public:
  ServerTunnel(ServerConnections& owner, TunnelStream::Legacy legacy, TunnelEvents& events, std::uint32_t ticket)
      : owner_(owner), stream_(*this, std::move(legacy), events), ticket_(ticket) {}

  TunnelStream& end() { return stream_; }
  std::uint32_t ticket() const { return ticket_; }

 private:
  void on_tunnel_closed() override { owner_.destroy(*this); }

  ServerConnections& owner_;
  TunnelStream stream_;
  const std::uint32_t ticket_;
};

}  // namespace sluice::http::h1
