#pragma once
// The upstream's end of a tunnel over a stream of HTTP/2 (RFC 8441): the bytes of its DATA frames, in both directions.
// Put between the stream's half, which goes on as with any body, and the tunnel. Belongs to its stream.

#include "http/exchange.h"

namespace sluice::http::h2 {

class ClientStream;

class ClientTunnel final : public TunnelEnd, public UpstreamEvents {
 public:
  ClientTunnel(ClientStream& stream, TunnelEvents& events) : stream_(stream), events_(events) {}

  // TunnelEnd
  void pull() override;
  void send(net::Buffer bytes) override;
  void send(std::string_view bytes) override;
  void finish() override;
  std::size_t unsent_bytes() const override;
  void want_room() override;
  void close(Goodbye how) override;
  std::uint64_t sent_bytes() const override;
  std::uint64_t received_bytes() const override;

  // UpstreamEvents
  void on_interim(const ResponseHead&) override {}  // there are no heads any more
  void on_response_head(const ResponseHead&) override {}
  void on_response_body(net::Buffer bytes) override { events_.on_bytes(std::move(bytes)); }
  void on_response_end(const FieldList&) override { events_.on_end(); }
  void on_upstream_room() override { events_.on_room(); }
  void on_upstream_failed(Error error) override { events_.on_failed(error); }

 private:
  ClientStream& stream_;
  TunnelEvents& events_;
};

}  // namespace sluice::http::h2
