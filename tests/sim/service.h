#pragma once
// One endpoint of an upstream: listens at its address, reads requests strictly, answers as each request's plan says,
// and does wrong what it says. Lives on the network itself, without a loop.

#include <deque>
#include <optional>
#include <string>

#include "checks.h"
#include "h2_service.h"
#include "ledger.h"
#include "message.h"
#include "net/sim/network.h"
#include "websocket.h"

namespace sluice::sim {

class Service;

// One connection from the gateway. Stays in memory until the run is over.
class ServiceConnection final : private net::sim::Watcher {
 public:
  ServiceConnection(Service& service, int descriptor);
  void close(bool is_reset);
  bool is_open() const { return descriptor_ >= 0; }

 private:
  void on_ready(int descriptor) override;
  void read_more();
  bool read_preface(std::string_view bytes);
  bool read_message();
  void take_head();
  void check_reuse(std::uint64_t head_at);
  void take_body();
  void request_over();

  void answer();
  void write_answer();
  std::size_t fault_at() const;
  void send_more();
  void answer_sent();
  void apply_fault();
  void close_if_idle();
  bool has_fault(ServiceFault fault) const { return is_faulty_ && plan_->service_fault == fault; }
  void later(Duration wait, void (ServiceConnection::*what)());

  // service_tunnel.cc: an open WebSocket.
  bool is_socket() const { return plan_ != nullptr && plan_->is_websocket && plan_->status == 200; }
  void check_upgrade();
  void accept_socket();
  void feed_tunnel(std::string_view bytes);
  void send_on_tunnel();
  void close_tunnel();
  void tunnel_sent();

  Service& service_;
  net::sim::Network& network_;
  Ledger& ledger_;
  int descriptor_;
  int serial_ = 0;     // of the request, so that late timers know
  std::string first_;  // bytes, while it is not known which protocol they are of
  bool is_known_ = false;
  MessageReader reader_;
  const RequestPlan* plan_ = nullptr;
  Exchange* exchange_ = nullptr;
  bool is_faulty_ = false;  // the plan's fault happens this time
  bool has_body_ = false;   // the request that is read has come to its end: false while it has not
  bool is_answering_ = false, is_answered_ = true;
  bool is_deaf_ = false, is_ending_ = false, is_finished_ = false;
  RequestCheck check_;
  std::string out_;
  std::size_t out_at_ = 0;
  std::optional<WebSocketEnd> socket_;
  std::string socket_accept_;
  bool is_close_scheduled_ = false;
  // Of the answer before: what the gateway must have read, and must not have read, before it uses the connection again.
  std::uint64_t answers_end_ = 0;
  bool may_be_reused_ = true, has_extra_ = false;
};

class Service {
 public:
  Service(net::sim::Network& network, Ledger& ledger, const EndpointPlan& plan, const net::Address& address);
  // Closes everything: the run is over.
  void end();
  // A connection that speaks HTTP/2, as its first bytes say.
  void take_over(int descriptor, std::string_view first_bytes);
  const EndpointPlan& plan() const { return plan_; }
  net::sim::Network& network() { return network_; }
  Ledger& ledger() { return ledger_; }

 private:
  struct Door final : net::sim::Watcher {
    explicit Door(Service& its) : service(its) {}
    void on_ready(int listening) override { service.accept(listening); }
    Service& service;
  };
  void open();
  void accept(int listening);

  net::sim::Network& network_;
  Ledger& ledger_;
  const EndpointPlan& plan_;
  const net::Address address_;
  Door door_{*this};
  std::optional<net::ListenSocket> socket_;
  std::deque<ServiceConnection> connections_;
  std::deque<H2ServiceConnection> h2_connections_;
};

}  // namespace sluice::sim
