#pragma once
// One stream of a connection to an upstream, which is one attempt of an exchange: the upstream's half of it. As on the
// server's side the session's events leave facts behind, and run() acts on them when no event is on the stack.
// Pooled by its connection. Only on the worker's thread.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "http/exchange.h"
#include "http/h2/buffer_queue.h"
#include "http/h2/client_tunnel.h"
#include "http/h2/response_head.h"
#include "http/h2/session.h"
#include "http/websocket/handshake.h"
#include "net/timer.h"

namespace sluice::http::h2 {

class ClientConnection;

class ClientStream final : public SessionStream, public UpstreamHalf {
 public:
  // A WebSocket that was told the end of may take as long to end its side; then it is reset.
  static constexpr Duration leave_patience = std::chrono::seconds(2);

  explicit ClientStream(ClientConnection& connection)
      : connection_(connection), leave_timer_(net::Timer::of<&ClientStream::on_left>(this)) {}
  ClientStream(const ClientStream&) = delete;

  void begin(const RequestHead& head, Arena& arena, UpstreamEvents& events);

  // ---- facts, from the session's events
  void block_begin();
  void add_field(std::string_view name, std::string_view value);
  void block_end(bool is_last);
  void add_data(net::Loop& loop, net::Buffer& from, std::string_view bytes);
  void set_last();
  void set_sent_last() { has_sent_last_ = true; }
  void set_closed(ErrorCode code, bool is_by_peer);
  void lose(Error error);
  void lose_connection(Error error);  // no event of the session will come any more
  void recycle();
  void count_received(std::size_t bytes) { received_bytes_ += bytes; }
  void count_sent(std::size_t bytes) {
    sent_bytes_ += bytes;
    is_on_wire_ = true;
  }
  // The peer said that it has not looked, and will not look, at this stream.
  void set_unprocessed() { is_unprocessed_ = true; }

  void run();
  // The session knows it no more, and the gateway has heard all.
  bool is_over() const { return is_closed_ && events_ == nullptr; }
  bool is_in_use() const { return events_ != nullptr; }

  Piece next_piece(std::size_t most) override;
  void write_piece(net::Stream& out, std::size_t bytes) override;

  // UpstreamHalf
  void send_body(net::Buffer bytes) override;
  void send_end(const FieldList* trailers) override;
  void pull_body() override;
  std::size_t unsent_bytes() const override { return failure_ ? 0 : output_.bytes(); }
  void want_room() override;
  void cancel() override;
  TunnelEnd* switch_protocols(TunnelEvents& events) override;
  std::uint64_t sent_bytes() const override { return sent_bytes_ + output_.bytes(); }
  std::uint64_t received_bytes() const override { return received_bytes_; }

  // ---- for its tunnel
  net::Loop& loop();
  // What was sent leaves, with its end; what comes is dropped. No event follows.
  void leave();

  bool is_due = false;
  ClientStream* next = nullptr;  // of the connection's lists
  ClientStream* previous = nullptr;

 private:
  void submit(const RequestHead& head);
  void accept_websocket(http::ResponseHead& head);
  bool step();
  bool tell_head();
  bool fail(Error error);
  bool end();
  void on_left();
  bool has_response() const { return is_head_complete_ || interim_responses_ > 0; }

  ClientConnection& connection_;
  UpstreamEvents* events_ = nullptr;
  Arena* arena_ = nullptr;              // of the exchange
  std::optional<ClientTunnel> tunnel_;  // then events_ is it
  net::Timer leave_timer_;
  ResponseHeadReader head_;
  websocket::Accept accept_{};  // with asks_websocket_
  FieldList trailers_;
  FieldList request_trailers_;
  BufferQueue input_, output_;
  std::optional<Error> failure_;
  std::uint64_t sent_bytes_ = 0, received_bytes_ = 0;
  Instant begun_at_{};
  std::vector<http::ResponseHead> interim_;  // to be told
  std::uint32_t interim_responses_ = 0, trailer_bytes_ = 0;
  bool is_running_ = false;
  bool asks_websocket_ = false;
  bool is_closed_ = false;
  bool is_answer_to_head_ = false;
  bool is_head_complete_ = false;  // the final one
  bool is_head_whole_ = false;     // with END_STREAM
  bool has_head_ = false;          // the gateway has heard of the final one
  bool has_last_ = false;
  bool has_told_end_ = false;  // with tunnel_
  bool has_credit_ = false;
  bool is_room_wanted_ = false;
  bool is_complete_ = false;    // the request
  bool has_sent_last_ = false;  // its END_STREAM is written
  bool is_on_wire_ = false;
  bool is_unprocessed_ = false;
};

}  // namespace sluice::http::h2
