#pragma once
// One HTTP/2 connection to an endpoint: carries many exchanges at once, and says how many more it takes. Not a pool,
// and it has no timeouts: its owner and the gateway have. Belongs to its owner, who deletes it when told that it is
// unusable. Only on the worker's thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "http/exchange.h"
#include "http/h2/client_stream.h"
#include "http/h2/session.h"
#include "http/h2/write_head.h"
#include "net/stream.h"
#include "net/turn_end.h"

namespace sluice::http::h2 {

struct ClientSettings {
  SessionSettings session{.concurrent_streams = 0,
                          .stream_window_bytes = 128 * 1024,
                          .connection_window_bytes = 8 * 1024 * 1024,
                          .header_list_bytes = 64 * 1024,
                          .continuations = 8};
  HeadLimits head;                   // of responses
  std::uint32_t most_streams = 256;  // or what the peer allows, if that is less
};

class ClientConnection final : public UpstreamConnection, private net::StreamHandler, private SessionEvents {
 public:
  // Starts connecting. The owner hears on_connected, when the peer's settings have come, or on_connect_failed. All must
  // outlive this. `dial`: how, when it is not in the clear; used in this call only.
  using Dial = std::function<net::StreamPtr(net::StreamHandler&)>;
  ClientConnection(net::Loop& loop, const net::Address& to, const ClientSettings& settings, SessionMemory& memory,
                   UpstreamConnectionOwner& owner, const Dial& dial = {});
  ~ClientConnection() override;

  UpstreamHalf& start(const RequestHead& head, Arena& arena, UpstreamEvents& events) override;
  bool is_shared() const override { return true; }
  std::uint32_t room() const override;

  // ---- for its streams
  Session& session() { return session_; }
  net::Loop& loop() { return loop_; }
  const ClientSettings& settings() const { return settings_; }
  std::vector<HeaderField>& fields() { return fields_; }  // of a head that is being written: kept for its memory
  HeadDigits& digits() { return digits_; }
  std::string_view scheme() const { return stream_->security() != nullptr ? "https" : "http"; }
  void want_write() { loop_.at_turn_end(turn_end_); }
  void make_due(ClientStream& stream);
  // A stream begun at `since` was given up without a word of an answer. When the whole connection has been silent
  // since, for a second at least, it may lead nowhere: it takes no more streams.
  void doubt(Instant since);

 private:
  // net::StreamHandler
  void on_connected() override;
  void on_data(net::Buffer bytes) override;
  void on_end() override;
  void on_drained() override { want_write(); }
  void on_failed(Error error) override;

  // SessionEvents
  SessionStream* on_open(std::int32_t) override { return nullptr; }
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
  void on_odd(Oddity) override {}
  void on_goaway(std::int32_t last_id, ErrorCode code) override;
  void on_settings() override { has_settings_ = true; }

  void on_turn_end();
  void run_due();
  void sweep();
  void lose_all(Error error);
  void fail(Error error);
  void tell_owner();

  net::Loop& loop_;
  const ClientSettings& settings_;
  UpstreamConnectionOwner& owner_;
  Session session_;
  net::TurnEnd turn_end_;
  ClientStream* streams_ = nullptr;  // in use, or known to the session
  ClientStream* spare_ = nullptr;
  std::vector<ClientStream*> due_;
  std::vector<HeaderField> fields_;
  HeadDigits digits_;
  net::Buffer* input_ = nullptr;  // being received
  Instant heard_at_{};            // when something last was
  std::uint32_t open_ = 0;
  bool is_open_ = false;  // TCP
  bool has_settings_ = false;
  bool is_connected_ = false;  // the owner was told
  bool is_leaving_ = false;    // no more streams: GOAWAY, FIN, broken
  bool is_lost_ = false;       // nothing can be sent or received any more
  bool is_idle_told_ = true;   // or nothing is to be told yet
  net::StreamPtr stream_;      // last: the callbacks of its making find the rest
};

}  // namespace sluice::http::h2
