#pragma once
// One client of a scenario that speaks HTTP/2: opens its requests as streams of one connection, sends and takes each at
// its own pace, does wrong with each what its plan says, and tells the ledger. Lives on the network itself.

#include <map>
#include <optional>
#include <string>

#include "checks.h"
#include "client.h"
#include "h2.h"
#include "ledger.h"
#include "net/sim/network.h"
#include "websocket.h"
#include "wire.h"

namespace sluice::sim {

class H2Client final : public AnyClient, private net::sim::Watcher, private h2::Events {
 public:
  H2Client(net::sim::Network& network, Ledger& ledger, const ClientPlan& plan, const net::Address& to, bool is_tls);
  void start() override;
  bool is_done() const override { return is_done_; }

 private:
  static constexpr Duration patience = std::chrono::seconds(30);  // without a sign of the gateway
  static constexpr Duration stall = std::chrono::seconds(8);      // then a client that stalls goes away

  struct Stream {
    const RequestPlan* plan = nullptr;
    AnswerCheck check;
    std::size_t sent = 0, received = 0, owed = 0;  // of bodies; owed: the window that is not opened again yet
    std::optional<WebSocketEnd> socket;            // from the moment on that frames are sent
    std::string frames;                            // of it, to be sent; `sent` counts those that went
    bool is_open = false, is_close_scheduled = false;
    bool waits_for_continue = false;
    bool is_held = false;     // sends, or takes, nothing for now
    bool is_ruined = false;   // its fault has happened
    bool is_ticking = false;  // takes slowly
  };

  void on_ready(int descriptor) override;
  void on_head(std::int32_t id, const Head& head) override;
  void on_data(std::int32_t id, std::string_view bytes) override;
  void on_last(std::int32_t id) override;
  void on_closed(std::int32_t id, h2::Code code) override;
  void on_goaway(std::int32_t last) override;
  void on_broken(const char* what) override;
  std::string next_piece(std::int32_t id, std::size_t most, bool& is_last) override;

  // Later, when the connection, and the stream, are still there.
  void later(Duration wait, void (H2Client::*what)());
  void later(Duration wait, std::int32_t id, void (H2Client::*what)(std::int32_t id, Stream& stream));
  void renew_patience();
  void give_up();

  void connect();
  void close(bool is_reset);
  void connection_over();
  Exchange& exchange(const Stream& stream) { return ledger_.at(stream.plan->tag); }
  void abandon_all();

  void begin_request();
  void open(const RequestPlan& request);
  void read_more();
  bool is_turned_away(std::string_view bytes) const;
  void settle();  // after anything: writes what is due, and closes when all is over
  bool write_more();

  void continue_anyway(std::int32_t id, Stream& stream);
  void send_on(std::int32_t id, Stream& stream);
  void ruin_sending(std::int32_t id, Stream& stream);
  void ruin_receiving(std::int32_t id, Stream& stream);
  void give_back(std::int32_t id, Stream& stream);
  void reset(std::int32_t id, Stream& stream);

  // h2_client_tunnel.cc: a WebSocket (RFC 8441).
  void open_tunnel(std::int32_t id, Stream& stream);
  void feed_tunnel(std::int32_t id, Stream& stream, std::string_view bytes);
  void close_tunnel(std::int32_t id, Stream& stream);
  std::string next_frames(std::int32_t id, Stream& stream, std::size_t most, bool& is_last);
  void tunnel_over(Stream& stream);

  net::sim::Network& network_;
  Ledger& ledger_;
  const ClientPlan& plan_;
  const net::Address to_;
  const bool is_tls_;
  Wire wire_;
  int descriptor_ = -1;
  int epoch_ = 0;     // of the connection, so that late timers know
  int patience_ = 0;  // the same, of the wait for the gateway
  std::size_t next_ = 0;
  int connections_ = 0;
  int tries_ = 0;  // connects without a request begun
  bool is_done_ = false;

  // Of the connection:
  std::optional<h2::Session> session_;
  std::map<std::int32_t, Stream> streams_;  // those that are open
  std::string out_, raw_;                   // raw_: what no client of HTTP/2 would send
  std::size_t out_at_ = 0;
  std::uint64_t received_ = 0;
  bool is_begin_scheduled_ = false;
  bool is_leaving_ = false;    // no more requests on this connection
  bool has_finished_ = false;  // FIN is sent
  bool is_wild_ = false;       // it sent what no client would: the gateway may end the connection as it likes
  bool is_ending_ = false;     // ends with FIN now, whatever is under way
};

}  // namespace sluice::sim
