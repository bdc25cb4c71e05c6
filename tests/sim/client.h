#pragma once
// One client of a scenario: sends its requests as planned, reads the answers strictly, and tells the ledger. Lives on
// the network itself, without a loop.

#include <optional>
#include <string>

#include "checks.h"
#include "ledger.h"
#include "message.h"
#include "net/sim/network.h"
#include "websocket.h"
#include "wire.h"

namespace sluice::sim {

// Any of them, whatever it speaks.
class AnyClient {
 public:
  virtual ~AnyClient() = default;
  virtual void start() = 0;
  virtual bool is_done() const = 0;
};

// Of HTTP/1.
class Client final : public AnyClient, private net::sim::Watcher {
 public:
  Client(net::sim::Network& network, Ledger& ledger, const ClientPlan& plan, const net::Address& to, bool is_tls);
  void start() override;
  bool is_done() const override { return is_done_; }

 private:
  static constexpr Duration patience = std::chrono::seconds(30);  // for an answer; all timeouts together are less
  static constexpr Duration stall = std::chrono::seconds(8);      // then a client that stalls goes away

  void on_ready(int descriptor) override;
  void later(Duration wait, void (Client::*what)());  // unless the connection is another one by then
  void renew_patience();

  void connect();
  void connection_over();
  void close(bool is_reset);

  const RequestPlan& sending() const { return plan_.requests[static_cast<std::size_t>(next_ - 1)]; }
  const RequestPlan& answered() const { return plan_.requests[static_cast<std::size_t>(answering_)]; }
  Exchange& exchange() { return ledger_.at(answered().tag); }
  bool has_request_left() const { return next_ < static_cast<int>(plan_.requests.size()); }
  void begin_request();
  void write_request(const RequestPlan& request);
  void send_more();
  void request_sent();
  void apply_sending_fault();
  void abandon();  // what is under way is cut by this client

  void read_more();
  std::size_t most_to_read();
  bool read_message();  // one step; false when there is nothing to do
  bool take_head();
  void answer_over();
  void input_ended(bool is_reset);
  void give_up();           // the gateway has taken too long
  void give_up_stalling();  // as planned
  void continue_anyway();

  // client_tunnel.cc: an open WebSocket.
  bool open_tunnel();
  void feed_tunnel(std::string_view bytes);
  void send_on_tunnel();
  void close_tunnel();
  void tunnel_over(bool is_reset);

  net::sim::Network& network_;
  Ledger& ledger_;
  const ClientPlan& plan_;
  const net::Address to_;
  const bool is_tls_;
  Wire wire_;
  int descriptor_ = -1;
  int epoch_ = 0;      // of the connection, so that late timers know
  int patience_ = 0;   // the same, of the wait for the gateway
  int next_ = 0;       // first request not yet begun
  int answering_ = 0;  // whose answer is read; below next_
  int connections_ = 0;
  int tries_ = 0;  // connects without a request begun
  bool is_done_ = false;

  // Of the connection:
  std::string out_;
  std::size_t out_at_ = 0, held_at_ = 0;  // nothing from held_at_ on leaves before `100 Continue`
  bool is_sending_ = false, is_begin_scheduled_ = false, has_finished_ = false;
  bool is_stalled_ = false, is_tick_scheduled_ = false;
  bool was_reset_ = false;   // sending said so
  bool is_closing_ = false;  // the gateway said so
  MessageReader reader_;
  std::uint64_t answer_from_ = 0;  // where the answer began in the stream
  AnswerCheck check_;
  std::optional<WebSocketEnd> socket_;  // from the moment on that frames are sent
  bool is_tunnel_ = false, is_close_scheduled_ = false;
};

}  // namespace sluice::sim
