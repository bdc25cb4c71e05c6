#pragma once
// One stream of a client's connection, which is one exchange: the client's half of it. The session's events leave facts
// behind (fields, bytes, ends); run() acts on them when no event of the session is on the stack, as the HTTP/1
// connection does. Pooled by ServerConnections. Only on the worker's thread.

#include <cstdint>
#include <optional>
#include <string_view>

#include "http/exchange.h"
#include "http/h1/pace.h"
#include "http/h2/buffer_queue.h"
#include "http/h2/request_head.h"
#include "http/h2/session.h"
#include "http/h2/stream_tunnel.h"

namespace sluice::http::h2 {

class ServerConnection;

class ServerStream final : public SessionStream, private ClientHalf {
 public:
  ServerStream() = default;
  ServerStream(const ServerStream&) = delete;

  void begin(ServerConnection& connection);
  void recycle();  // gives back what it holds

  // ---- facts, from the session's events
  void block_begin() { ++blocks_; }
  bool add_field(std::string_view name, std::string_view value);  // false: dropped, beyond a limit
  std::size_t block_end(bool is_last);                            // bytes that it holds more
  void add_data(net::Loop& loop, net::Buffer& from, std::string_view bytes);
  void set_last() { has_last_ = true; }
  void set_malformed();
  void set_closed(Refusal why);  // the session knows it no more
  void lose(Refusal why);        // the connection, or the client's part of it, is gone
  void count_received(std::size_t bytes) { received_bytes_ += bytes; }
  void count_sent(std::size_t bytes) { sent_bytes_ += bytes; }
  // Its last DATA ends with that byte of all that the connection ever wrote.
  void note_written(std::uint64_t until) { written_until_ = until; }

  // Acts on them. The gateway may do anything inside.
  void run();

  // ---- what the connection asks
  bool is_in_head() const { return state_ == State::head; }
  bool has_exchange() const { return state_ == State::exchange; }
  bool has_last() const { return has_last_; }
  // No event of either side will name it any more.
  bool is_over() const { return state_ == State::over && is_closed_; }
  bool wants_input() const { return has_credit_; }
  bool has_output() const { return !output_.empty(); }
  Instant started_at() const override { return started_at_; }
  std::uint64_t written_until() const { return written_until_; }
  std::size_t charged_bytes() const { return charged_bytes_; }  // of the connection's memory
  std::size_t buffered_bytes() const { return input_.bytes() + output_.bytes(); }
  // A look at the clock, once a second: whether the client keeps it waiting too long. `is_blocked`: output waits for a
  // window. False: it was cut for that.
  bool look(Instant now, bool is_blocked);

  Piece next_piece(std::size_t most) override;
  void write_piece(net::Stream& out, std::size_t bytes) override;

  bool is_due = false;               // stands in the connection's list
  ServerStream* previous = nullptr;  // of the connection's ring of open streams
  ServerStream* next = nullptr;

 private:
  enum class State : std::uint8_t {
    head,      // its fields are coming
    ready,     // to be offered to the waist
    exchange,  // the waist has it
    over,
  };

  // ClientHalf
  Arena& arena() override { return arena_; }
  const net::Address& peer() const override;
  const net::Security* security() const override;
  void pull_body() override;
  bool can_answer() const override { return takes_answer() && !has_sent_head_; }
  void send_continue() override;
  void send_interim(const ResponseHead& head) override;
  bool send_head(const ResponseHead& head) override;
  TunnelEnd* send_switch(const ResponseHead& head, TunnelEvents& events) override;
  void send_body(net::Buffer bytes) override;
  void send_body(std::string_view bytes) override;
  void send_end(const FieldList* trailers) override;
  void abort() override;
  void close_after() override {}  // the connection is others' too
  std::size_t unsent_bytes() const override { return is_dead_ ? 0 : output_.bytes(); }
  void want_room() override { is_room_wanted_ = true; }
  std::uint64_t received_bytes() const override { return received_bytes_; }
  std::uint64_t sent_bytes() const override { return sent_bytes_ + output_.bytes(); }

  bool takes_answer() const { return state_ == State::exchange && !is_dead_; }
  bool step();
  bool begin_exchange();
  bool serve();
  bool serve_body();
  bool is_end_missing() const;
  bool fail(Refusal refusal);
  bool write_head(const ResponseHead& head, std::int64_t length, bool is_final);
  std::size_t takes_of(std::size_t bytes);
  void give_up(ErrorCode code);
  void starve(bool is_starved);
  h1::Pace::Terms upload_terms() const;
  h1::Pace::Terms download_terms() const;

  ServerConnection* connection_ = nullptr;
  ClientEvents* events_ = nullptr;
  std::optional<StreamTunnel> tunnel_;  // then events_ is it
  Arena arena_;
  RequestHeadReader head_;
  FieldList trailers_, answer_trailers_;
  BufferQueue input_, output_;
  h1::Pace upload_, download_;
  Instant started_at_{};
  Refusal refusal_{}, closed_{};
  std::uint64_t written_until_ = 0;
  std::uint64_t received_bytes_ = 0, sent_bytes_ = 0, body_sent_bytes_ = 0, body_received_bytes_ = 0;
  std::int64_t left_to_send_ = 0;  // of the announced length; BodySize::unknown
  std::size_t charged_bytes_ = 0;
  std::uint32_t blocks_ = 0, trailer_bytes_ = 0;
  std::uint32_t least_upload_rate_ = 0;
  State state_ = State::over;
  bool is_running_ = false;
  bool is_whole_ = false;   // END_STREAM came with the head
  bool has_last_ = false;   // END_STREAM came
  bool is_dead_ = false;    // nothing can be sent any more
  bool is_closed_ = false;  // the session knows it no more
  bool is_lost_ = false;    // with closed_: the gateway is to be told
  bool has_reset_ = false;  // RST_STREAM is on its way
  bool has_credit_ = false;
  bool has_told_end_ = false;
  bool has_failed_ = false;
  bool is_room_wanted_ = false;
  bool has_sent_head_ = false;
  bool has_sent_continue_ = false;
  bool has_body_ = false;     // the answer
  bool is_complete_ = false;  // the answer
  bool is_head_request_ = false;
};

}  // namespace sluice::http::h2
