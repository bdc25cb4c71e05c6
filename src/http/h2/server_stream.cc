#include "http/h2/server_stream.h"

#include <algorithm>
#include <utility>

#include "http/causes.h"
#include "http/characters.h"
#include "http/grpc.h"
#include "http/h1/framing_fields.h"
#include "http/h2/server_connection.h"
#include "http/h2/write_head.h"

namespace sluice::http::h2 {
namespace {

// What is shared instead of copied: below that a block would be held for too little.
constexpr std::size_t shared_bytes = 4096;
constexpr std::size_t shared_part = 4;  // of the block it stands in, at least one of so many

}  // namespace

void ServerStream::begin(ServerConnection& connection) {
  connection_ = &connection;
  events_ = nullptr;
  tunnel_.reset();
  head_.start(arena_, connection.owner().times_.head);
  trailers_ = answer_trailers_ = {};
  started_at_ = connection.now();
  refusal_ = closed_ = {};
  written_until_ = received_bytes_ = sent_bytes_ = body_sent_bytes_ = body_received_bytes_ = 0;
  charged_bytes_ = 0;
  blocks_ = trailer_bytes_ = 0;
  state_ = State::head;
  is_whole_ = has_last_ = is_dead_ = is_closed_ = is_lost_ = has_reset_ = has_credit_ = has_told_end_ = has_failed_ =
      is_room_wanted_ = false;
  has_sent_head_ = has_sent_continue_ = has_body_ = is_complete_ = is_head_request_ = false;
}

void ServerStream::recycle() {
  input_.clear();
  output_.clear();
  arena_.reset();
}

// ---- facts

bool ServerStream::add_field(std::string_view name, std::string_view value) {
  if (blocks_ == 1) return head_.add(name, value);
  trailer_bytes_ += static_cast<std::uint32_t>(name.size() + value.size() + RequestHeadReader::field_overhead);
  if (state_ == State::over || trailer_bytes_ > connection_->owner().times_.head.trailer_bytes) return false;
  const Field field{name, value, field_id(name)};
  if (!h1::is_forbidden_trailer(field) && !name.contains('_'))
    trailers_.add(arena_, {arena_.copy(name), arena_.copy(value), field.id});
  return true;
}

std::size_t ServerStream::block_end(bool is_last) {
  if (blocks_ != 1 || state_ != State::head) return 0;
  is_whole_ = is_last;
  charged_bytes_ = sizeof(ServerStream) + arena_.used_bytes();
  state_ = State::ready;
  connection_->make_due(*this);
  return charged_bytes_;
}

void ServerStream::add_data(net::Loop& loop, net::Buffer& from, std::string_view bytes) {
  connection_->session().consume_connection(bytes.size());
  if (state_ == State::over) return;  // nobody wants it
  body_received_bytes_ += bytes.size();
  connection_->count_buffered(static_cast<std::ptrdiff_t>(bytes.size()));
  if (bytes.size() < shared_bytes || bytes.size() * shared_part < from.size()) return input_.push(loop, bytes);
  const auto offset = static_cast<std::size_t>(bytes.data() - from.data());
  net::Buffer part = loop.share(from);
  part.drop_front(offset);
  part.truncate(bytes.size());
  input_.push(std::move(part));
}

void ServerStream::set_malformed() {
  if (state_ == State::exchange || state_ == State::over) return;  // on_closed() will tell
  refusal_ = {&request_malformed, "breaks a rule of HTTP/2 messages"};
  is_dead_ = has_reset_ = true;  // libnghttp2 resets the stream by itself
  state_ = State::ready;
  connection_->make_due(*this);
}

void ServerStream::set_closed(Refusal why) {
  is_closed_ = true;
  lose(why);
}

void ServerStream::lose(Refusal why) {
  if (!is_lost_) closed_ = why;
  is_lost_ = is_dead_ = true;
  if (state_ == State::head) state_ = State::over;
  connection_->make_due(*this);
}

// ---- the machine

void ServerStream::run() {
  if (is_running_) return;
  is_running_ = true;
  while (step()) {
  }
  is_running_ = false;
}

bool ServerStream::step() {
  if (state_ == State::ready) return begin_exchange();
  return state_ == State::exchange && serve();
}

bool ServerStream::begin_exchange() {
  // Reset before anybody worked on it: there is nobody to tell.
  if (is_lost_ && refusal_.cause == nullptr) {
    state_ = State::over;
    return false;
  }
  const Refusal refusal =
      refusal_.cause != nullptr ? refusal_ : head_.finish(is_whole_, has_last_ && body_received_bytes_ == 0);
  state_ = State::exchange;
  ServerConnections& owner = connection_->owner();
  // A call of gRPC may be silent between its messages.
  least_upload_rate_ = grpc::is_grpc(head_.request().fields) ? 0 : owner.times_.least_upload_rate;
  upload_.start(upload_terms());
  download_.start(download_terms());
  is_head_request_ = head_.request().method == Method::head;
  if (refusal.cause != nullptr) {
    owner.waist_.refuse(*this, {refusal, head_.method_seen(), head_.target_seen(), true});
  } else {
    ClientEvents* const events = owner.waist_.begin(*this, head_.request());
    if (state_ == State::exchange) events_ = events;
  }
  if (state_ == State::exchange && events_ == nullptr) abort();  // nobody would end it
  return state_ == State::exchange;
}

bool ServerStream::serve() {
  if (has_failed_) return false;  // the gateway was told and will end the exchange
  if (is_lost_) return fail(closed_);
  if (is_room_wanted_ && output_.empty()) {
    is_room_wanted_ = false;
    events_->on_client_room();
    return true;
  }
  return serve_body();
}

bool ServerStream::serve_body() {
  if (!has_credit_ || has_told_end_) return false;
  if (!input_.empty() && !is_end_missing()) {
    has_credit_ = false;
    starve(false);
    net::Buffer piece = input_.pop();
    connection_->count_buffered(-static_cast<std::ptrdiff_t>(piece.size()));
    connection_->session().consume_stream(*this, piece.size());
    connection_->want_write();
    events_->on_request_body(std::move(piece));
    return true;
  }
  if (has_last_) {
    has_credit_ = false;
    has_told_end_ = true;
    starve(false);
    events_->on_request_end(trailers_);
    return true;
  }
  starve(true);
  return false;
}

// Row S04: all that was announced is there, but for the end. Its last bytes would make a whole request for the
// upstream, and more may come yet: they wait.
bool ServerStream::is_end_missing() const {
  const std::int64_t announced = head_.request().body.bytes;
  return !has_last_ && announced > 0 && body_received_bytes_ >= static_cast<std::uint64_t>(announced);
}

bool ServerStream::fail(Refusal refusal) {
  has_failed_ = true;
  has_credit_ = false;
  connection_->count_buffered(-static_cast<std::ptrdiff_t>(input_.bytes()));
  input_.clear();
  events_->on_client_failed(refusal);
  return true;
}

void ServerStream::starve(bool is_starved) {
  if (tunnel_) return;  // its silence is the gateway's to judge
  if (upload_.is_waiting() == is_starved) return;
  is_starved ? upload_.wait(connection_->now()) : upload_.stop(connection_->now());
}

bool ServerStream::look(Instant now, bool is_blocked) {
  if (state_ != State::exchange && !has_output()) return true;
  if (download_.is_waiting() && !is_blocked) {
    download_.stop(now);
  } else if (is_blocked && !download_.is_waiting()) {
    download_.wait(now);
  }
  if (now >= download_.deadline() &&
      !download_.renew(download_terms(), static_cast<std::int64_t>(body_sent_bytes_), now)) {
    connection_->owner().counters_.stalled.add();
    give_up(ErrorCode::cancel);
    if (state_ == State::exchange && !has_failed_) fail({&client_too_slow, "the stream's window stayed shut"});
    return false;
  }
  if (state_ == State::exchange && !has_failed_ && now >= upload_.deadline() &&
      !upload_.renew(upload_terms(), static_cast<std::int64_t>(body_received_bytes_), now))
    fail({&request_body_timeout, "body did not come, or came too slowly"});
  return true;
}

h1::Pace::Terms ServerStream::upload_terms() const {
  const h1::ServerSettings& times = connection_->owner().times_;
  return {least_upload_rate_, times.rate_grace, times.client_idle_timeout};
}

h1::Pace::Terms ServerStream::download_terms() const {
  const ServerConnections& owner = connection_->owner();
  return {owner.times_.least_download_rate, owner.times_.rate_grace,
          std::min(owner.times_.client_idle_timeout, owner.settings_.window_stall)};
}

// ---- ClientHalf

const net::Address& ServerStream::peer() const { return connection_->peer(); }

const net::Security* ServerStream::security() const { return connection_->security(); }

void ServerStream::pull_body() {
  if (state_ != State::exchange) return;
  has_credit_ = true;
  if (events_ != nullptr) run();
}

void ServerStream::send_continue() {
  if (!can_answer() || !head_.request().expects_continue || has_sent_continue_) return;
  has_sent_continue_ = true;
  (void)write_head({.status = 100, .fields = {}, .body = {}}, BodySize::unknown, false);
}

void ServerStream::send_interim(const ResponseHead& head) {
  if (can_answer()) (void)write_head(head, BodySize::unknown, false);  // one that must not be written is left out
}

bool ServerStream::send_head(const ResponseHead& head) {
  if (!can_answer()) return true;  // the client is gone: what is sent from now on is swallowed
  // A client that asked for a WebSocket takes any 2xx for the start of one (RFC 8441 section 4).
  if (head_.request().asks_websocket && head.status / 100 == 2) {
    ResponseHead refused = head;
    refused.status = 502;
    return send_head(refused);
  }
  const bool is_bodiless = is_head_request_ || head.status == 204 || head.status == 304;
  has_body_ = !is_bodiless && !head.body.is_empty();
  left_to_send_ = head.body.bytes;
  std::int64_t length = is_bodiless ? head.announced_length : head.body.bytes;
  if (is_head_request_ && length == BodySize::unknown && head.body.bytes > 0) length = head.body.bytes;
  if (head.status == 204) length = BodySize::unknown;  // RFC 9110 section 8.6
  if (!write_head(head, length, true)) {
    abort();
    return false;
  }
  has_sent_head_ = true;
  return true;
}

// RFC 8441 section 5: 200 in place of 101. That the key was answered is between the gateway and the upstream.
TunnelEnd* ServerStream::send_switch(const ResponseHead& head, TunnelEvents& events) {
  ResponseHead accepted{.status = 200, .fields = head.fields.copy(arena_, 0), .body = {BodySize::unknown}};
  accepted.fields.remove("sec-websocket-accept");
  has_body_ = true;
  left_to_send_ = BodySize::unknown;
  if (!can_answer() || !write_head(accepted, BodySize::unknown, true)) {
    abort();
    return nullptr;
  }
  has_sent_head_ = true;
  upload_.stop(connection_->now());
  ClientHalf& half = *this;
  tunnel_.emplace(half, events);
  events_ = &*tunnel_;
  return &*tunnel_;
}

bool ServerStream::write_head(const ResponseHead& head, std::int64_t length, bool is_final) {
  std::vector<HeaderField>& fields = connection_->owner().fields_;
  HeadDigits digits;
  if (!response_fields(head, length, digits, fields)) return false;
  Session& session = connection_->session();
  is_final ? session.submit_response(*this, fields, has_body_) : session.submit_interim(*this, fields);
  connection_->want_write();
  return true;
}

// The body's bytes that belong to the answer, of `bytes` more.
std::size_t ServerStream::takes_of(std::size_t bytes) {
  if (!takes_answer() || !has_sent_head_ || !has_body_) return 0;
  if (left_to_send_ == BodySize::unknown) return bytes;
  const auto taken = std::min(bytes, static_cast<std::size_t>(left_to_send_));
  left_to_send_ -= static_cast<std::int64_t>(taken);
  return taken;
}

void ServerStream::send_body(net::Buffer bytes) {
  const std::size_t taken = takes_of(bytes.size());
  if (taken == 0) return;
  bytes.truncate(taken);
  connection_->count_buffered(static_cast<std::ptrdiff_t>(taken));
  output_.push(std::move(bytes));
  connection_->session().resume(*this);
  connection_->want_write();
}

void ServerStream::send_body(std::string_view bytes) {
  const std::size_t taken = takes_of(bytes.size());
  if (taken == 0) return;
  connection_->count_buffered(static_cast<std::ptrdiff_t>(taken));
  output_.push(connection_->loop(), bytes.substr(0, taken));
  connection_->session().resume(*this);
  connection_->want_write();
}

void ServerStream::send_end(const FieldList* trailers) {
  if (state_ != State::exchange) return;
  if (!is_dead_ && (!has_sent_head_ || (has_body_ && left_to_send_ > 0))) return abort();
  state_ = State::over;
  events_ = nullptr;
  is_complete_ = true;
  if (trailers != nullptr && has_body_) answer_trailers_ = trailers->copy(arena_, 0);
  connection_->count_buffered(-static_cast<std::ptrdiff_t>(input_.bytes()));
  input_.clear();
  if (!is_dead_ && has_body_) connection_->session().resume(*this);
  connection_->make_due(*this);
  connection_->want_write();
}

void ServerStream::abort() {
  if (state_ != State::exchange) return;
  give_up(ErrorCode::internal_error);
  state_ = State::over;
  events_ = nullptr;
  connection_->count_buffered(-static_cast<std::ptrdiff_t>(input_.bytes()));
  input_.clear();
  connection_->make_due(*this);
  connection_->want_write();
}

void ServerStream::give_up(ErrorCode code) {
  is_dead_ = true;
  connection_->count_buffered(-static_cast<std::ptrdiff_t>(output_.bytes()));
  output_.clear();
  if (!is_closed_ && !std::exchange(has_reset_, true)) connection_->session().reset(*this, code);
  connection_->want_write();
}

// ---- what the session takes

SessionStream::Piece ServerStream::next_piece(std::size_t most) {
  Piece piece;
  piece.bytes = std::min(most, output_.bytes());
  piece.is_last = is_complete_ && piece.bytes == output_.bytes();
  if (!piece.is_last || answer_trailers_.size() == 0) return piece;
  std::vector<HeaderField>& fields = connection_->owner().fields_;
  fields.clear();
  if (!plain_fields(answer_trailers_, fields) || fields.empty()) return piece;  // what must not be written is left out
  piece.has_trailers = true;
  connection_->session().submit_trailers(*this, fields);
  return piece;
}

void ServerStream::write_piece(net::Stream& out, std::size_t bytes) {
  output_.write(connection_->loop(), out, bytes);
  body_sent_bytes_ += bytes;
  connection_->count_buffered(-static_cast<std::ptrdiff_t>(bytes));
  if (is_room_wanted_ && output_.empty()) connection_->make_due(*this);
}

}  // namespace sluice::http::h2
