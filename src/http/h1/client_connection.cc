#include "http/h1/client_connection.h"

#include <utility>

#include "http/h1/writer.h"

namespace sluice::http::h1 {
namespace {

// From this size on a body of known length is worth larger blocks.
constexpr std::int64_t large_body_bytes = 64 * 1024;

constexpr Framing request_framing(BodySize body) {
  if (body.is_unknown()) return Framing::chunked;
  return body.is_empty() ? Framing::none : Framing::length;
}

}  // namespace

ClientConnection::ClientConnection(net::Loop& loop, const ClientSettings& settings, UpstreamConnectionOwner& owner)
    : loop_(loop),
      settings_(settings),
      owner_(owner),
      parser_(settings.head),
      opened_at_(loop.now()) {}

UpstreamHalf& ClientConnection::start(const RequestHead& head, Arena& arena, UpstreamEvents& events) {
  events_ = &events;
  arena_ = &arena;
  method_ = method_of(head.method);
  asks_websocket_ = head.asks_websocket;
  if (asks_websocket_) accept_ = websocket::accept_of(head.fields);
  parser_.start(arena, method_, wanted_accept());
  writer_.start(request_framing(head.body), head.body.bytes);
  head_sent_bytes_ = received_bytes_ = 0;
  interim_responses_ = 0;
  has_credit_ = is_room_wanted_ = has_room_ = false;
  has_sent_request_ = head.body.is_empty();
  state_ = State::head;
  write_head(head);
  return *this;
}

void ClientConnection::write_head(const RequestHead& head) {
  char* const out = stream_->room(head_bytes(head));
  const std::size_t size = write_request(head, false, out);
  if (size == 0) return doom("request holds a byte that must not be written");
  stream_->wrote(size);
  head_sent_bytes_ = size;
}

// The request cannot be completed. The gateway hears it from the loop, not inside the call that it makes.
void ClientConnection::doom(const char* what) {
  failure_ = Error{Code::malformed, Side::gateway, false, what};
  is_doomed_ = true;
  stream_->want_drained();
}

void ClientConnection::send_body(net::Buffer bytes) {
  if (!is_busy() || failure_ || has_sent_request_) return;
  if (!writer_.write(*stream_, std::move(bytes))) doom("request body is longer than announced");
}

void ClientConnection::send_end(const FieldList* trailers) {
  if (!is_busy() || failure_ || has_sent_request_) return;
  if (!writer_.end(*stream_, trailers)) return doom("request body is shorter than announced");
  has_sent_request_ = true;
}

void ClientConnection::pull_body() {
  if (!is_busy()) return;
  has_credit_ = true;
  run();
}

void ClientConnection::want_room() {
  if (!is_busy() || failure_) return;
  is_room_wanted_ = true;
  stream_->want_drained();
}

void ClientConnection::cancel() {
  if (!is_busy()) return;
  state_ = State::over;
  goodbye_ = net::Stream::Goodbye::abort;
  run();
}

TunnelEnd* ClientConnection::switch_protocols(TunnelEvents& events) {
  state_ = State::tunnel;
  events_ = nullptr;
  const std::uint64_t head_bytes = received_bytes_ - input_.bytes();
  tunnel_.reset(new TunnelStream(*this,
                                 {.stream = std::move(stream_),
                                  .input = std::move(input_),
                                  .sent_bytes = head_sent_bytes_,
                                  .received_bytes = head_bytes,
                                  .has_ended = has_ended_,
                                  .is_paused = is_paused_},
                                 events));
  return tunnel_.get();
}

void ClientConnection::on_tunnel_closed() {
  state_ = State::over;
  run();
}

void ClientConnection::on_connected() {
  is_connected_ = true;
  run();
}

void ClientConnection::on_data(net::Buffer bytes) {
  received_bytes_ += bytes.size();
  if (!input_.push(std::move(bytes))) failure_ = Error{Code::exhausted, Side::gateway, false, "input queue is full"};
  run();
}

void ClientConnection::on_end() {
  has_ended_ = true;
  run();
}

void ClientConnection::on_drained() {
  if (is_room_wanted_) has_room_ = true;
  run();
}

void ClientConnection::on_failed(Error error) {
  if (!failure_) failure_ = error;
  run();
}

void ClientConnection::run() {
  if (is_running_) return;
  is_running_ = true;
  Step next = Step::again;
  while (next == Step::again) next = step();
  is_running_ = false;
  if (state_ == State::tunnel) return;
  switch (next) {  // the owner may delete this
    case Step::again:
    case Step::wait:
      return follow_input();
    case Step::connected:
      return owner_.on_connected(*this);
    case Step::idle:
      follow_input();  // the last piece may have emptied a full queue: an idle connection must hear the peer's FIN
      return owner_.on_idle(*this);
    case Step::connect_failed:
      return owner_.on_connect_failed(*this, *failure_);
    case Step::unusable:
      if (stream_) stream_.release()->let_go(goodbye_);  // a tunnel has let go of it
      return owner_.on_unusable(*this);
  }
}

void ClientConnection::follow_input() {
  const bool is_full = input_.is_full();
  if (is_full == is_paused_) return;
  is_paused_ = is_full;
  if (is_full) {
    stream_->pause_reading();
  } else {
    stream_->resume_reading();
  }
}

ClientConnection::Step ClientConnection::step() {
  switch (state_) {
    case State::connecting:
      return wait_connected();
    case State::idle:
      return wait_idle();
    case State::head:
    case State::body:
      return serve();
    case State::tunnel:
      return Step::wait;
    case State::over:
      return Step::unusable;
  }
  return Step::wait;
}

ClientConnection::Step ClientConnection::wait_connected() {
  if (failure_) {
    failure_->retryable = failure_->side != Side::gateway;  // what the system refuses us is no fault of the endpoint
    return Step::connect_failed;
  }
  if (!is_connected_) return Step::wait;
  state_ = State::idle;
  return Step::connected;
}

// Bytes nobody asked for would be taken for the next answer (I3).
ClientConnection::Step ClientConnection::wait_idle() const {
  return failure_ || has_ended_ || !input_.empty() ? Step::unusable : Step::wait;
}

ClientConnection::Step ClientConnection::serve() {
  if (is_doomed_) return fail(*failure_);
  if (has_room_) {
    has_room_ = is_room_wanted_ = false;
    events_->on_upstream_room();
    return Step::again;
  }
  return state_ == State::head ? read_head() : read_body();
}

ClientConnection::Step ClientConnection::read_head() {
  if (input_.empty()) return input_ended();
  const auto progress = parser_.feed(input_.front().view());
  if (!progress) {
    Error error = progress.error();
    error.side = Side::upstream;
    return fail(error);
  }
  input_.front().drop_front(progress->consumed);
  input_.drop_empty_front();
  return progress->complete ? take_head() : Step::again;
}

ClientConnection::Step ClientConnection::take_head() {
  const ResponseHead& head = parser_.head();
  if (head.status < 200 && head.status != 101) {
    if (++interim_responses_ > settings_.head.interim_responses) {
      return fail({Code::too_large, Side::upstream, false, "too many interim responses"});
    }
    events_->on_interim(head);
    if (state_ == State::head) parser_.start(*arena_, method_, wanted_accept());
    return Step::again;
  }
  state_ = State::body;
  reader_.start(parser_.framing(), head.body.bytes, settings_.head, *arena_);
  if (head.body.bytes >= large_body_bytes) stream_->expect_bytes(static_cast<std::uint64_t>(head.body.bytes));
  events_->on_response_head(head);
  return Step::again;
}

ClientConnection::Step ClientConnection::read_body() {
  if (reader_.is_complete()) {
    // The end of an empty body needs no credit; that of another is told like a chunk.
    const bool is_empty = reader_.wire_bytes() == 0 && !reader_.is_until_close();
    return has_credit_ || is_empty ? end_exchange() : Step::wait;
  }
  if (input_.empty()) return input_ended();
  if (!has_credit_) return Step::wait;
  Result<net::Buffer> piece = reader_.take(input_.front(), loop_);
  if (!piece) {
    Error error = piece.error();
    error.side = Side::upstream;
    return fail(error);
  }
  input_.drop_empty_front();
  if (piece->empty()) return Step::again;
  has_credit_ = false;
  events_->on_response_body(std::move(*piece));
  return Step::again;
}

ClientConnection::Step ClientConnection::end_exchange() {
  // After a request to switch nobody knows for certain what the peer takes the next bytes for (S20).
  const bool is_reusable = has_sent_request_ && stream_->unsent_bytes() == 0 && input_.empty() && !has_ended_ &&
                           !failure_ && parser_.keep_alive() && !reader_.is_until_close() && !asks_websocket_;
  state_ = is_reusable ? State::idle : State::over;
  ++served_;
  std::exchange(events_, nullptr)->on_response_end(reader_.trailers());
  return is_reusable ? Step::idle : Step::unusable;
}

std::string_view ClientConnection::wanted_accept() const {
  return asks_websocket_ ? std::string_view(accept_.data(), accept_.size()) : std::string_view();
}

// All that came is read. Is there more to come?
ClientConnection::Step ClientConnection::input_ended() {
  if (!has_ended_ && !failure_) return Step::wait;
  if (!failure_ && state_ == State::body && reader_.end_of_input()) return Step::again;
  const char* const what = state_ == State::head ? "connection ended before the response head was complete"
                                                 : "connection ended inside the response body";
  Error error = failure_.value_or(Error{Code::closed, Side::upstream, false, what});
  if (!is_doomed_ && error.side != Side::gateway) error.side = Side::upstream;
  error.is_unsent = stream_->untouched_bytes() >= sent_bytes();
  error.retryable = received_bytes_ == 0 && (served_ > 0 || error.is_unsent);
  return fail(error);
}

ClientConnection::Step ClientConnection::fail(Error error) {
  state_ = State::over;
  goodbye_ = net::Stream::Goodbye::abort;
  std::exchange(events_, nullptr)->on_upstream_failed(error);
  return Step::unusable;
}

}  // namespace sluice::http::h1
