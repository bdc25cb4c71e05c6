#pragma once
// The admin listener: /healthz, /readyz and /metrics, served by our own HTTP codec on the control thread's loop.
// Read-only. Never reachable through a route: it is a socket of its own (security invariant I10).

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "http/h1/server_connections.h"
#include "net/loop.h"

namespace sluice::control {

class AdminServer final : private http::Waist, private net::AcceptHandler {
 public:
  struct Answers {
    std::function<bool()> is_ready;
    std::function<std::string_view()> remark;  // why what runs is not what the config file says; empty when it is
    std::function<std::string()> metrics;      // Prometheus text
  };
  AdminServer(net::Loop& loop, net::ListenSocket socket, Answers answers);

 private:
  void on_accept(net::StreamPtr stream) override { connections_.accept(std::move(stream)); }
  http::ClientEvents* begin(http::ClientHalf& half, const http::Request& request) override;
  void refuse(http::ClientHalf& half, const http::RefusedRequest& refused) override;
  void on_connection_closed(std::uint32_t) override {}
  bool is_draining() const override { return false; }
  net::Loop& loop() override { return loop_; }
  void answer(http::ClientHalf& half, bool is_head, int status, std::string_view type, std::string_view body);

  net::Loop& loop_;
  Answers answers_;
  http::h1::ServerConnections connections_;
  std::unique_ptr<net::Acceptor> acceptor_;
};

}  // namespace sluice::control
