#pragma once
// One client's HTTP/2 connection: feeds the session, keeps its streams, watches the clock and the client's budget.
// What is to be sent leaves at the end of the loop's turn, all of it together, and only while the client takes it: a
// slow connection keeps its streams waiting, and they their upstreams.
//
// Owns itself; ServerConnections makes it. Only on the worker's thread.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "http/h2/glitches.h"
#include "http/h2/server_connections.h"
#include "http/h2/server_stream.h"
#include "http/h2/session.h"
#include "net/stream.h"
#include "net/timer.h"
#include "net/turn_end.h"

namespace sluice::http::h2 {

class ServerConnection final : public h1::ConnectionLink,
                               public ClosableConnection,
                               private net::StreamHandler,
                               private SessionEvents {
 public:
  ServerConnection(ServerConnections& owner, net::StreamPtr stream, std::uint32_t ticket);
  ~ServerConnection();

  void begin(net::Buffer first_bytes);
  void close_if_idle() override;
  void announce_drain();
  void drain();
  void cut();  // tells the gateway that the client is gone
  bool is_idle() const { return open_ == 0 && !is_over_; }
  Instant idle_until() const { return idle_until_; }
  std::uint32_t ticket() const { return ticket_; }

  // ---- for its streams
  ServerConnections& owner() { return owner_; }
  Session& session() { return session_; }
  net::Loop& loop() { return owner_.waist_.loop(); }
  Instant now() const { return owner_.waist_.loop().now(); }
  const net::Address& peer() const { return peer_; }
  const net::Security* security() const { return stream_->security(); }
  bool has_exchanges() const;
  void want_write() { loop().at_turn_end(turn_end_); }
  void make_due(ServerStream& stream);
  // `bytes` of input or output of a stream come (or, negative, go).
  void count_buffered(std::ptrdiff_t bytes) { buffered_bytes_ += bytes; }

 private:
  // net::StreamHandler
  void on_data(net::Buffer bytes) override;
  void on_end() override;
  void on_drained() override;
  void on_failed(Error error) override;

  // SessionEvents
  SessionStream* on_open(std::int32_t id) override;
  void on_block_begin(SessionStream& stream) override;
  void on_field(SessionStream& stream, std::string_view name, std::string_view value) override;
  void on_block_end(SessionStream& stream, bool is_last) override;
  void on_data(SessionStream& stream, std::string_view bytes) override;
  void on_last(SessionStream& stream) override;
  void on_malformed(SessionStream& stream) override;
  void on_closed(SessionStream& stream, ErrorCode code, bool is_by_peer) override;
  void on_sent_last(SessionStream& stream) override;
  void on_frame(std::size_t bytes, SessionStream* stream) override;
  void on_frame_sent(std::size_t bytes, SessionStream* stream, bool is_data) override;
  void on_odd(Oddity oddity) override;
  void on_goaway(std::int32_t, ErrorCode) override {}
  void on_settings() override {}

  void receive(net::Buffer bytes);
  void run_due();
  void on_turn_end();
  void write();
  void sweep_closed();
  bool is_done() const;
  void close(net::Stream::Goodbye how);
  void fail_all(Refusal why);
  void calm();
  void on_timer();
  void look_at_streams();
  void arm(Duration after);
  void update_session_bytes();
  h1::Pace::Terms download_terms() const;
  std::int64_t taken_bytes() const;

  ServerConnections& owner_;
  net::StreamPtr stream_;
  const net::Address peer_;
  Session session_;
  Glitches glitches_;
  net::Timer timer_;
  net::TurnEnd turn_end_;
  h1::Pace download_;                // waits while the client takes nothing of what was written
  ServerStream* streams_ = nullptr;  // a list of all that are not over
  std::vector<ServerStream*> due_;
  net::Buffer first_;             // what had been read of it when it came; received at the end of that turn
  net::Buffer* input_ = nullptr;  // being received
  Instant idle_until_{}, block_since_ = Instant::max();
  std::size_t open_ = 0;
  std::size_t charged_bytes_ = 0, session_bytes_ = 0;
  std::ptrdiff_t buffered_bytes_ = 0;
  std::uint64_t written_bytes_ = 0;
  std::uint64_t data_until_ = 0;  // of these, up to the last DATA: what alone fills windows
  const std::uint32_t ticket_;
  bool is_untaken_ = false;  // a stream's window is shut, and what filled it is on its way
  bool is_over_ = false;
  bool has_ended_ = false;      // the client sent FIN
  bool has_announced_ = false;  // first GOAWAY
  bool is_leaving_ = false;     // second GOAWAY
  bool is_calming_ = false;     // the budget is used up
  bool is_broken_ = false;      // the session cannot go on: last words are written, then it closes
};

}  // namespace sluice::http::h2
