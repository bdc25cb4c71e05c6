#pragma once
// One connection from the gateway to an endpoint that speaks HTTP/2: answers its streams as each request's plan says,
// many at once, and does wrong what it says. Made by ServiceConnection, which has read the preface. Stays in memory
// until the run is over.

#include <map>
#include <string>
#include <string_view>

#include "checks.h"
#include "h2.h"
#include "ledger.h"
#include "net/sim/network.h"

namespace sluice::sim {

class H2ServiceConnection final : private net::sim::Watcher, private h2::Events {
 public:
  H2ServiceConnection(net::sim::Network& network, Ledger& ledger, const EndpointPlan& endpoint, int descriptor);
  void begin(std::string_view first_bytes);
  void close(bool is_reset);

 private:
  struct Stream {
    RequestCheck check;
    const RequestPlan* plan = nullptr;
    Exchange* exchange = nullptr;
    std::size_t sent = 0, answer = 0;  // of the answer's body; all of it
    bool is_faulty = false;            // the plan's fault happens this time
    bool is_answering = false;
    bool is_held = false;    // sends nothing for now
    bool is_ruined = false;  // its fault has happened
  };

  void on_ready(int descriptor) override;
  void on_head(std::int32_t id, const Head& head) override;
  void on_data(std::int32_t id, std::string_view bytes) override;
  void on_last(std::int32_t id) override;
  void on_closed(std::int32_t id, h2::Code code) override;
  void on_goaway(std::int32_t) override {}
  void on_broken(const char* what) override;
  std::string next_piece(std::int32_t id, std::size_t most, bool& is_last) override;

  void later(Duration wait, std::int32_t id, void (H2ServiceConnection::*what)(std::int32_t id, Stream& stream));
  Stream* find(std::int32_t id);
  static bool has_fault(const Stream& stream, ServiceFault fault) {
    return stream.is_faulty && stream.plan->service_fault == fault;
  }
  static bool is_cut(const Stream& stream);
  static std::size_t fault_at(const Stream& stream);

  void read_more();
  bool receive(std::string_view bytes);
  void settle();
  bool write_more();
  void check_head(const Stream& stream, const Head& head);
  void answer(std::int32_t id, Stream& stream);
  void write_answer(std::int32_t id, Stream& stream);
  void send_on(std::int32_t id, Stream& stream);
  void ruin(std::int32_t id, Stream& stream);
  void leave_badly(std::int32_t id, Stream& stream);
  void break_all();
  void leave();
  void wait_for_idleness();

  net::sim::Network& network_;
  Ledger& ledger_;
  const EndpointPlan& endpoint_;
  int descriptor_;
  h2::Session session_;
  std::map<std::int32_t, Stream> streams_;
  std::string out_, raw_;
  std::size_t out_at_ = 0;
  int begun_ = 0;             // streams
  bool is_leaving_ = false;   // GOAWAY is said
  bool is_ending_ = false;    // FIN when what is written has left, whatever is under way
  bool is_wild_ = false;      // it sent what no service of HTTP/2 would
  bool is_finished_ = false;  // FIN is sent
};

}  // namespace sluice::sim
