#pragma once
// One end of a tunnel over a stream of HTTP/2 (RFC 8441): the bytes of its DATA frames, in both directions. Put between
// the stream's half, which goes on as with any body, and the tunnel. Belongs to its stream.

#include "http/exchange.h"

namespace sluice::http::h2 {

class StreamTunnel final : public TunnelEnd, public ClientEvents {
 public:
  StreamTunnel(ClientHalf& half, TunnelEvents& events) : half_(half), events_(events) {}

  // TunnelEnd
  void pull() override { half_.pull_body(); }
  void send(net::Buffer bytes) override { half_.send_body(std::move(bytes)); }
  void send(std::string_view bytes) override { half_.send_body(bytes); }
  void finish() override {}  // END_STREAM leaves with close(): a stream that has sent it is over here
  std::size_t unsent_bytes() const override { return half_.unsent_bytes(); }
  void want_room() override { half_.want_room(); }
  void close(Goodbye how) override { how == Goodbye::flush ? half_.send_end(nullptr) : half_.abort(); }
  std::uint64_t sent_bytes() const override { return half_.sent_bytes(); }
  std::uint64_t received_bytes() const override { return half_.received_bytes(); }

  // ClientEvents
  void on_request_body(net::Buffer bytes) override { events_.on_bytes(std::move(bytes)); }
  void on_request_end(const FieldList&) override { events_.on_end(); }
  void on_client_room() override { events_.on_room(); }
  void on_client_failed(Refusal refusal) override {
    events_.on_failed({Code::reset, Side::client, false, refusal.cause->code});
  }

 private:
  ClientHalf& half_;
  TunnelEvents& events_;
};

}  // namespace sluice::http::h2
