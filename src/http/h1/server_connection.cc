#include "http/h1/server_connection.h"

#include <algorithm>
#include <utility>

#include "http/causes.h"

namespace sluice::http::h1 {
namespace {

using Goodbye = net::Stream::Goodbye;

// From this size on a body of known length is worth larger blocks.
constexpr std::int64_t large_body_bytes = 64 * 1024;
// The next pipelined request waits until the client has taken the answers, when so much of them is unsent.
constexpr std::size_t most_unsent_bytes = 64 * 1024;

}  // namespace

ServerConnection::ServerConnection(ServerConnections& owner, net::StreamPtr stream, std::uint32_t ticket)
    : owner_(owner),
      stream_(std::move(stream)),
      timer_(net::Timer::of<&ServerConnection::on_timer>(this)),
      ticket_(ticket) {
  stream_->set_handler(*this);
  arm(now() + owner_.settings_.keep_alive_timeout);
}

ServerConnection::~ServerConnection() {
  if (memory_) owner_.give_back(std::move(memory_));
}

void ServerConnection::close_if_idle() {
  if (!is_idle()) return;
  close(Goodbye::flush_and_close);
  run();
}

void ServerConnection::cut() {
  is_dead_ = true;
  run();
}

void ServerConnection::on_data(net::Buffer bytes) {
  if (is_dead_ || exchange_.has_failed) return;
  if (!memory_) memory_ = owner_.take_memory();
  if (!memory_->input.push(std::move(bytes))) is_dead_ = true;
  enter_from_loop();
}

void ServerConnection::on_end() {
  has_ended_ = true;
  enter_from_loop();
}

void ServerConnection::on_drained() {
  if (exchange_.is_room_wanted) exchange_.has_room = true;
  enter_from_loop();
}

void ServerConnection::on_failed(Error) {
  is_dead_ = true;
  enter_from_loop();
}

void ServerConnection::enter_from_loop() {
  is_in_callback_ = true;
  ended_in_call_ = false;
  run();
}

void ServerConnection::run() {
  if (is_running_) return;
  is_running_ = true;
  while (!is_over_ && step()) {
  }
  is_running_ = is_in_callback_ = is_expired_ = false;
  if (is_handed_over_) return owner_.hand_over(*this, std::move(stream_), std::exchange(memory_->input.front(), {}));
  if (is_over_) return successor_ != nullptr ? owner_.replace(*this, *successor_) : owner_.destroy(*this);
  const bool is_full = memory_ && memory_->input.is_full();
  if (is_full == is_paused_) return;
  is_paused_ = is_full;
  if (is_full) {
    stream_->pause_reading();
  } else {
    stream_->resume_reading();
  }
}

bool ServerConnection::step() {
  switch (state_) {
    case State::idle:
    case State::head:
      return read_head();
    case State::exchange:
      return serve();
    case State::ending:
      return end_exchange();
  }
  return false;
}

bool ServerConnection::read_head() {
  if (is_dead_) return close(Goodbye::abort);
  if (is_expired_) return expire();
  if (!memory_ || memory_->input.empty()) return has_ended_ && close(Goodbye::flush_and_close);
  if (is_fresh_ && read_preface()) return false;
  ExchangeMemory& memory = *memory_;
  if (state_ == State::idle) {
    state_ = State::head;
    exchange_ = {};
    memory.parser.start(memory.arena);
    memory.started_at = now();
    memory.head_received_bytes = 0;
  }
  net::Buffer& input = memory.input.front();
  const auto progress = memory.parser.feed(input.view());
  if (!progress) return refuse(progress.error());
  memory.head_received_bytes += progress->consumed;
  input.drop_front(progress->consumed);
  memory.input.drop_empty_front();
  if (progress->complete) return begin_exchange();
  arm(memory.started_at + owner_.settings_.request_header_timeout);
  return true;
}

// RFC 9113 section 3.4: the first bytes of a client that knows it speaks to a server of HTTP/2. True: it is one, or it
// may be one, and more bytes are needed to tell.
bool ServerConnection::read_preface() {
  static constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  is_fresh_ = false;
  if (owner_.taker_ == nullptr || !owner_.settings_.takes_http2) return false;
  const std::string_view seen = memory_->input.front().view();
  if (!seen.starts_with(preface.substr(0, std::min(seen.size(), preface.size())))) return false;
  if (seen.size() < preface.size()) {
    is_fresh_ = !memory_->input.is_full() && !has_ended_;
    if (is_fresh_) arm(std::min(deadline_, now() + owner_.settings_.request_header_timeout));
    return is_fresh_;
  }
  is_over_ = is_handed_over_ = true;
  return true;
}

bool ServerConnection::begin_exchange() {
  ExchangeMemory& memory = *memory_;
  if (!owner_.settings_.takes_http1)
    return refuse({&request_version_unsupported, "HTTP/1 is not among the listener's protocols"});
  const Request& request = memory.parser.request();
  exchange_.keep_alive = memory.parser.keep_alive();
  exchange_.is_head_request = request.method == Method::head;
  exchange_.is_http10 = request.is_http10;
  exchange_.expects_continue = request.expects_continue;
  memory.reader.start(memory.parser.framing(), request.body.bytes, owner_.settings_.head, memory.arena);
  memory.writer.start(Framing::none, 0);
  memory.head_sent_bytes = memory.dropped_bytes = 0;
  start_paces();
  if (request.body.bytes >= large_body_bytes) stream_->expect_bytes(static_cast<std::uint64_t>(request.body.bytes));
  state_ = State::exchange;
  deadline_ = Instant::max();
  events_ = nullptr;
  ClientEvents* const events = owner_.waist_.begin(*this, request);
  if (state_ != State::exchange) return true;
  events_ = events;
  return events_ != nullptr || close(Goodbye::abort);  // null though the exchange goes on: nobody would end it
}

bool ServerConnection::refuse(Refusal refusal) {
  ExchangeMemory& memory = *memory_;
  const RefusedRequest refused{refusal, memory.parser.method_seen(), memory.parser.target_seen()};
  exchange_ = {};
  exchange_.keep_alive = false;
  exchange_.is_head_request = refused.method == "HEAD";
  memory.reader.start(Framing::none, 0, owner_.settings_.head, memory.arena);
  memory.writer.start(Framing::none, 0);
  memory.head_sent_bytes = 0;
  start_paces();
  memory.input.clear();  // where the next request would begin is not known
  state_ = State::exchange;
  deadline_ = Instant::max();
  is_expired_ = false;
  events_ = nullptr;
  owner_.waist_.refuse(*this, refused);
  return state_ != State::exchange || close(Goodbye::abort);
}

bool ServerConnection::serve() {
  if (exchange_.has_failed) return false;  // the gateway was told and will end the exchange
  if (is_dead_) return fail({&client_closed, "connection lost"});
  if (is_expired_) return expire_exchange();
  if (exchange_.has_room) {
    exchange_.has_room = exchange_.is_room_wanted = false;
    memory_->download.stop(now());
    arm_exchange();
    events_->on_client_room();
    return true;
  }
  return serve_body();
}

bool ServerConnection::serve_body() {
  ExchangeMemory& memory = *memory_;
  if (memory.reader.is_complete()) {
    if (!exchange_.has_credit || exchange_.has_told_end) return false;
    exchange_.has_credit = false;
    exchange_.has_told_end = true;
    events_->on_request_end(memory.reader.trailers());
    return true;
  }
  if (memory.input.empty()) {
    starve(exchange_.has_credit && !has_ended_);
    if (!has_ended_) return false;
    is_dead_ = true;
    return fail({&client_closed, "connection ended inside the request body"});
  }
  if (!exchange_.has_credit) return false;
  starve(false);
  Result<net::Buffer> piece = memory.reader.take(memory.input.front(), owner_.waist_.loop());
  if (!piece) return fail({&request_body_malformed, piece.error().what});
  memory.input.drop_empty_front();
  if (piece->empty()) return true;
  exchange_.has_credit = false;
  events_->on_request_body(std::move(*piece));
  return true;
}

bool ServerConnection::fail(Refusal refusal) {
  exchange_.has_failed = true;
  exchange_.keep_alive = exchange_.has_credit = false;
  memory_->input.clear();
  deadline_ = Instant::max();
  events_->on_client_failed(refusal);
  return true;
}

// The answer is complete: what becomes of the connection (RFC 9112 section 9.3, 9.6; S05).
bool ServerConnection::end_exchange() {
  if (is_dead_) return close(Goodbye::abort);
  if (std::exchange(is_expired_, false)) {
    Pace& download = memory_->download;
    // The rest of a body nobody wants comes too slowly: the answer still leaves.
    if (!download.is_waiting()) return close(Goodbye::flush_and_close);
    if (!download.renew(download_terms(), taken_bytes(), now())) return close(Goodbye::abort);
    arm(download.deadline());
    return false;
  }
  if (!exchange_.keep_alive) return close(Goodbye::flush_and_close);
  if (!memory_->reader.is_complete()) return drop_body();
  if (memory_->input.empty()) {
    if (has_ended_ || owner_.waist_.is_draining()) return close(Goodbye::flush_and_close);
    return go_idle();
  }
  if (ended_in_call_ || stream_->unsent_bytes() > most_unsent_bytes) {
    if (deadline_ != Instant::max()) return false;  // asked for already
    await_client();
    arm(memory_->download.deadline());
    stream_->want_drained();
    return false;
  }
  memory_->arena.reset();
  state_ = State::idle;
  return true;
}

bool ServerConnection::drop_body() {
  ExchangeMemory& memory = *memory_;
  if (memory.input.empty()) {
    if (has_ended_) return close(Goodbye::flush_and_close);
    if (deadline_ == Instant::max()) arm(now() + owner_.settings_.client_idle_timeout);
    return false;
  }
  const std::uint64_t before = memory.reader.wire_bytes();
  const bool is_well_formed = memory.reader.take(memory.input.front(), owner_.waist_.loop()).has_value();
  memory.input.drop_empty_front();
  memory.dropped_bytes += memory.reader.wire_bytes() - before;
  if (!is_well_formed || memory.dropped_bytes > owner_.settings_.dropped_body_bytes) {
    return close(Goodbye::flush_and_close);
  }
  if (memory.reader.is_complete()) deadline_ = Instant::max();
  return true;
}

bool ServerConnection::go_idle() {
  owner_.give_back(std::move(memory_));
  state_ = State::idle;
  arm(now() + owner_.settings_.keep_alive_timeout);
  return false;
}

bool ServerConnection::close(Goodbye how) {
  stream_.release()->let_go(how);
  is_over_ = true;
  return false;
}

}  // namespace sluice::http::h1
