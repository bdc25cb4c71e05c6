#include "http/h2/client_stream.h"

#include <algorithm>
#include <utility>

#include "http/h1/framing_fields.h"
#include "http/h2/client_connection.h"
#include "http/h2/request_head.h"
#include "http/h2/write_head.h"

namespace sluice::http::h2 {
namespace {

constexpr std::size_t shared_bytes = 4096;
constexpr std::size_t shared_part = 4;  // of the block it stands in, at least one of so many

}  // namespace

void ClientStream::begin(const RequestHead& head, Arena& arena, UpstreamEvents& events) {
  events_ = &events;
  arena_ = &arena;
  tunnel_.reset();
  trailers_ = request_trailers_ = {};
  failure_.reset();
  interim_.clear();
  sent_bytes_ = received_bytes_ = 0;
  begun_at_ = loop().now();
  interim_responses_ = trailer_bytes_ = 0;
  is_closed_ = is_head_complete_ = is_head_whole_ = has_head_ = has_last_ = has_told_end_ = has_sent_last_ =
      has_credit_ = is_room_wanted_ = false;
  is_on_wire_ = is_unprocessed_ = false;
  is_answer_to_head_ = head.method == "HEAD";
  asks_websocket_ = head.asks_websocket;
  if (asks_websocket_) accept_ = websocket::accept_of(head.fields);
  is_complete_ = head.body.is_empty() && !asks_websocket_;
  submit(head);
  connection_.want_write();
}

void ClientStream::submit(const RequestHead& head) {
  std::vector<HeaderField>& fields = connection_.fields();
  HeadDigits& digits = connection_.digits();
  if (asks_websocket_ && !connection_.session().peer_takes_websockets()) {
    is_closed_ = true;
    lose({.code = Code::unsupported,
          .side = Side::gateway,
          .what = "the upstream does not announce SETTINGS_ENABLE_CONNECT_PROTOCOL"});
  } else if (!request_fields(head, connection_.scheme(), digits, fields)) {
    is_closed_ = true;  // the session never knew it
    lose({.code = Code::malformed, .side = Side::gateway, .what = "the request cannot be written"});
  } else if (!connection_.session().submit_request(*this, fields, !is_complete_)) {
    is_closed_ = true;
    lose({.code = Code::closed,
          .side = Side::upstream,
          .retryable = true,
          .what = "no more streams",
          .is_unsent = true});
  }
}

// ---- facts

void ClientStream::block_begin() {
  // RFC 9113 section 8.5: a tunnel has DATA frames and nothing else.
  if (tunnel_ && events_ != nullptr)
    return lose({.code = Code::malformed, .side = Side::upstream, .what = "a HEADERS frame inside a WebSocket"});
  if (events_ != nullptr && !is_head_complete_) head_.start(*arena_, connection_.settings().head, is_answer_to_head_);
}

void ClientStream::add_field(std::string_view name, std::string_view value) {
  if (events_ == nullptr) return;
  if (tunnel_) return;  // the arena is gone
  if (!is_head_complete_) return head_.add(name, value);
  trailer_bytes_ += static_cast<std::uint32_t>(name.size() + value.size() + RequestHeadReader::field_overhead);
  if (trailer_bytes_ > connection_.settings().head.trailer_bytes)
    return lose({.code = Code::too_large, .side = Side::upstream, .what = "trailers too large"});
  const Field field{name, value, field_id(name)};
  if (!h1::is_forbidden_trailer(field)) trailers_.add(*arena_, {arena_->copy(name), arena_->copy(value), field.id});
}

void ClientStream::block_end(bool is_last) {
  if (events_ == nullptr || is_head_complete_) return;
  if (const char* const broken = head_.finish(is_last))
    return lose({.code = Code::malformed, .side = Side::upstream, .what = broken});
  if (head_.head().status >= 200) {
    is_head_complete_ = true;
    is_head_whole_ = is_last;
  } else if (++interim_responses_ > connection_.settings().head.interim_responses) {
    lose({.code = Code::malformed, .side = Side::upstream, .what = "too many interim responses"});
  } else {
    interim_.push_back(head_.head());
  }
  connection_.make_due(*this);
}

void ClientStream::add_data(net::Loop& loop, net::Buffer& from, std::string_view bytes) {
  connection_.session().consume_connection(bytes.size());
  if (events_ == nullptr) return;  // nobody wants it
  if (has_credit_) connection_.make_due(*this);
  if (bytes.size() < shared_bytes || bytes.size() * shared_part < from.size()) return input_.push(loop, bytes);
  const auto offset = static_cast<std::size_t>(bytes.data() - from.data());
  net::Buffer part = loop.share(from);
  part.drop_front(offset);
  part.truncate(bytes.size());
  input_.push(std::move(part));
}

void ClientStream::set_last() {
  has_last_ = true;
  connection_.make_due(*this);
}

void ClientStream::set_closed(ErrorCode code, bool is_by_peer) {
  is_closed_ = true;
  leave_timer_.cancel();
  connection_.make_due(*this);
  if (has_last_) return;
  if (code == ErrorCode::refused_stream || is_unprocessed_)
    return lose({.code = Code::refused,
                 .side = Side::upstream,
                 .retryable = true,
                 .what = is_unprocessed_ ? "the upstream goes away, and has not looked at the stream"
                                         : "the upstream refused the stream",
                 .is_unsent = true});
  if (is_by_peer)
    return lose({.code = Code::reset,
                 .side = Side::upstream,
                 .retryable = !has_response(),
                 .what = "the upstream reset the stream"});
  lose({.code = Code::malformed, .side = Side::upstream, .what = "the upstream broke a rule of HTTP/2"});
}

void ClientStream::lose(Error error) {
  if (error.side == Side::upstream && error.retryable) {
    error.retryable = !has_response();
    error.is_unsent = error.retryable && (error.is_unsent || !is_on_wire_);
  }
  if (!failure_) failure_ = error;
  connection_.make_due(*this);
}

void ClientStream::lose_connection(Error error) {
  is_closed_ = true;
  leave_timer_.cancel();
  if (!has_last_) lose(error);
  connection_.make_due(*this);
}

void ClientStream::recycle() {
  input_.clear();
  output_.clear();
  arena_ = nullptr;
}

// ---- the machine

void ClientStream::run() {
  if (is_running_) return;
  is_running_ = true;
  while (events_ != nullptr && step()) {
  }
  is_running_ = false;
}

bool ClientStream::step() {
  if (!interim_.empty()) {
    const http::ResponseHead head = interim_.front();
    interim_.erase(interim_.begin());
    events_->on_interim(head);
    return true;
  }
  if (failure_) return fail(*failure_);
  if (is_room_wanted_ && output_.empty()) {
    is_room_wanted_ = false;
    events_->on_upstream_room();
    return true;
  }
  if (!is_head_complete_) return false;
  if (!has_head_) return tell_head();
  if (!has_credit_) return false;
  if (!input_.empty()) {
    has_credit_ = false;
    net::Buffer piece = input_.pop();
    connection_.session().consume_stream(*this, piece.size());
    connection_.want_write();
    events_->on_response_body(std::move(piece));
    return true;
  }
  return has_last_ && end();
}

bool ClientStream::tell_head() {
  has_head_ = true;
  http::ResponseHead head = head_.head();
  if (asks_websocket_ && head.status / 100 == 2) accept_websocket(head);
  events_->on_response_head(head);
  if (events_ != nullptr && !tunnel_ && (is_head_whole_ || head.body.is_empty())) return end();
  return true;
}

// RFC 8441 section 5: 200 in place of 101, without the answer to a key that was not sent. Who opened it in HTTP/1.1
// waits for that answer.
void ClientStream::accept_websocket(http::ResponseHead& head) {
  head.status = 101;
  head.body = {};
  head.fields.set(*arena_, "sec-websocket-accept", arena_->copy({accept_.data(), accept_.size()}));
}

bool ClientStream::fail(Error error) {
  if (!is_closed_) connection_.session().reset(*this, ErrorCode::cancel);
  input_.clear();
  output_.clear();
  connection_.make_due(*this);
  std::exchange(events_, nullptr)->on_upstream_failed(error);
  return false;
}

// The response is whole. What is left of the request is not wanted any more. A tunnel lives on until it is closed.
bool ClientStream::end() {
  if (tunnel_) {
    if (std::exchange(has_told_end_, true)) return false;
    has_credit_ = false;
    events_->on_response_end(trailers_);
    return true;
  }
  // A rest that waits for the service's window would wait for ever: a service that has answered need not open it.
  if (!is_closed_ && (!has_sent_last_ || !has_last_)) connection_.session().reset(*this, ErrorCode::cancel);
  if (!has_sent_last_) output_.clear();
  connection_.make_due(*this);
  std::exchange(events_, nullptr)->on_response_end(trailers_);
  return false;
}

// ---- UpstreamHalf

void ClientStream::send_body(net::Buffer bytes) {
  if (events_ == nullptr || failure_ || is_closed_ || is_complete_) return;
  output_.push(std::move(bytes));
  connection_.session().resume(*this);
  connection_.want_write();
}

void ClientStream::send_end(const FieldList* trailers) {
  if (events_ == nullptr || std::exchange(is_complete_, true) || failure_ || is_closed_) return;
  if (trailers != nullptr) request_trailers_ = *trailers;
  connection_.session().resume(*this);
  connection_.want_write();
}

void ClientStream::pull_body() {
  has_credit_ = true;
  run();
}

void ClientStream::want_room() {
  is_room_wanted_ = true;
  if (output_.empty()) connection_.make_due(*this);
}

void ClientStream::cancel() {
  if (events_ == nullptr) return;
  events_ = nullptr;
  input_.clear();
  output_.clear();
  if (!is_closed_) connection_.session().reset(*this, ErrorCode::cancel);
  if (is_on_wire_ && !has_response()) connection_.doubt(begun_at_);
  connection_.make_due(*this);
  connection_.want_write();
}

TunnelEnd* ClientStream::switch_protocols(TunnelEvents& events) {
  arena_ = nullptr;  // the exchange's
  trailers_ = {};
  tunnel_.emplace(*this, events);
  events_ = &*tunnel_;
  return &*tunnel_;
}

net::Loop& ClientStream::loop() { return connection_.loop(); }

void ClientStream::leave() {
  events_ = nullptr;
  input_.clear();
  is_complete_ = true;
  connection_.make_due(*this);
  connection_.want_write();
  if (is_closed_) return output_.clear();
  connection_.session().resume(*this);
  loop().set_timer(leave_timer_, leave_patience);
}

void ClientStream::on_left() {
  output_.clear();
  connection_.session().reset(*this, ErrorCode::cancel);
  connection_.want_write();
}

// ---- what the session takes

SessionStream::Piece ClientStream::next_piece(std::size_t most) {
  Piece piece;
  piece.bytes = std::min(most, output_.bytes());
  piece.is_last = is_complete_ && piece.bytes == output_.bytes();
  if (!piece.is_last || request_trailers_.size() == 0) return piece;
  std::vector<HeaderField>& fields = connection_.fields();
  fields.clear();
  if (!plain_fields(request_trailers_, fields) || fields.empty()) return piece;
  piece.has_trailers = true;
  connection_.session().submit_trailers(*this, fields);
  return piece;
}

void ClientStream::write_piece(net::Stream& out, std::size_t bytes) {
  output_.write(connection_.loop(), out, bytes);
  if (is_room_wanted_ && output_.empty()) connection_.make_due(*this);
}

}  // namespace sluice::http::h2
