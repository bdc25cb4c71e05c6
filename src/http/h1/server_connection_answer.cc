// The client's half of an exchange: what the gateway says to the client.
#include <utility>

#include "http/h1/server_connection.h"
#include "http/h1/server_tunnel.h"
#include "http/h1/writer.h"

namespace sluice::http::h1 {

void ServerConnection::pull_body() {
  if (state_ != State::exchange) return;
  exchange_.has_credit = true;
  run();
}

bool ServerConnection::can_answer() const { return takes_answer() && !exchange_.has_sent_head; }

void ServerConnection::send_continue() {
  if (!can_answer() || !exchange_.expects_continue || exchange_.has_sent_continue || exchange_.is_http10) return;
  static constexpr std::string_view line = "HTTP/1.1 100 Continue\r\n\r\n";
  exchange_.has_sent_continue = true;
  stream_->write(line);
  memory_->head_sent_bytes += line.size();
}

void ServerConnection::send_interim(const ResponseHead& head) {
  if (!can_answer() || exchange_.is_http10) return;  // RFC 9110 section 15.2: no 1xx to HTTP/1.0
  (void)write_head(head, Framing::none);             // one that must not be written is left out
}

bool ServerConnection::send_head(const ResponseHead& head) {
  if (!can_answer()) return true;  // the client is gone: what is sent from now on is swallowed
  const Framing framing = response_framing(head);
  exchange_.keep_alive = framing != Framing::until_close && may_keep_alive();
  if (!write_head(head, framing)) {
    abort();
    return false;
  }
  exchange_.has_sent_head = true;
  memory_->writer.start(framing, head.body.bytes);
  return true;
}

TunnelEnd* ServerConnection::send_switch(const ResponseHead& head, TunnelEvents& events) {
  if (!can_answer() || exchange_.has_failed || !write_head(head, Framing::none)) {
    abort();
    return nullptr;
  }
  timer_.cancel();
  successor_ = new ServerTunnel(owner_,
                                {.stream = std::move(stream_),
                                 .input = std::move(memory_->input),
                                 .sent_bytes = sent_bytes(),
                                 .received_bytes = received_bytes(),
                                 .has_ended = has_ended_,
                                 .is_paused = is_paused_},
                                events, ticket_);
  TunnelStream& end = successor_->end();
  state_ = State::ending;
  is_over_ = true;
  run();
  return &end;
}

// RFC 9112 section 6.3.
Framing ServerConnection::response_framing(const ResponseHead& head) const {
  if (exchange_.is_head_request || head.status == 204 || head.status == 304) return Framing::none;
  if (!head.body.is_unknown()) return Framing::length;
  return exchange_.is_http10 ? Framing::until_close : Framing::chunked;
}

bool ServerConnection::write_head(const ResponseHead& head, Framing framing) {
  ResponseHead written = head;
  if (exchange_.is_head_request && head.announced_length == BodySize::unknown && head.body.bytes > 0) {
    written.announced_length = head.body.bytes;
  }
  if (framing == Framing::none) written.body = {};
  const bool is_final = head.status >= 200;
  const bool keep_alive = exchange_.keep_alive || !is_final;
  char* const out = stream_->room(head_bytes(written));
  const std::size_t size =
      write_response(written, framing, keep_alive, keep_alive && is_final && exchange_.is_http10, out);
  if (size == 0) return false;
  stream_->wrote(size);
  memory_->head_sent_bytes += size;
  return true;
}

// Whether the connection can carry another request, as far as it can be known before the answer's head is written.
bool ServerConnection::may_keep_alive() const {
  if (!exchange_.keep_alive || exchange_.has_failed || owner_.waist_.is_draining()) return false;
  const bool has_input = !memory_->input.empty();
  if (has_ended_ && !has_input) return false;
  const BodyReader& reader = memory_->reader;
  if (reader.is_complete()) return true;
  // RFC 9110 section 10.1.1: a client that was not told to continue may or may not send the body.
  if (exchange_.expects_continue && !exchange_.has_sent_continue && reader.wire_bytes() == 0 && !has_input)
    return false;
  return reader.remaining() <= static_cast<std::int64_t>(owner_.settings_.dropped_body_bytes);
}

void ServerConnection::send_body(net::Buffer bytes) {
  if (!takes_answer() || !exchange_.has_sent_head) return;
  if (!memory_->writer.write(*stream_, std::move(bytes)) && !exchange_.is_head_request) exchange_.keep_alive = false;
}

void ServerConnection::send_body(std::string_view bytes) {
  if (!takes_answer() || !exchange_.has_sent_head) return;
  if (!memory_->writer.write(*stream_, bytes) && !exchange_.is_head_request) exchange_.keep_alive = false;
}

void ServerConnection::send_end(const FieldList* trailers) {
  if (state_ != State::exchange) return;
  if (!is_dead_ && (!exchange_.has_sent_head || !memory_->writer.end(*stream_, trailers))) return abort();
  state_ = State::ending;
  events_ = nullptr;
  deadline_ = Instant::max();
  ended_in_call_ = !is_in_callback_;
  run();
}

void ServerConnection::abort() {
  if (state_ != State::exchange) return;
  is_dead_ = true;
  send_end(nullptr);
}

std::size_t ServerConnection::unsent_bytes() const { return is_dead_ ? 0 : stream_->unsent_bytes(); }

void ServerConnection::want_room() {
  if (!takes_answer() || exchange_.has_failed) return;
  exchange_.is_room_wanted = true;
  await_client();
  stream_->want_drained();
  arm_exchange();
}

std::uint64_t ServerConnection::received_bytes() const {
  return memory_->head_received_bytes + memory_->reader.wire_bytes();
}

std::uint64_t ServerConnection::sent_bytes() const { return memory_->head_sent_bytes + memory_->writer.wire_bytes(); }

}  // namespace sluice::http::h1
