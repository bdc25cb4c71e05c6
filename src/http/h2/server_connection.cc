#include "http/h2/server_connection.h"

#include <algorithm>
#include <utility>

#include "http/causes.h"

namespace sluice::http::h2 {
namespace {

using Goodbye = net::Stream::Goodbye;

// What is written ahead of the kernel. More would only wait there, out of reach of a stream that has become urgent.
constexpr std::size_t most_unsent_bytes = 64 * 1024;
// How often streams are looked at while there are some.
constexpr Duration look_period = std::chrono::seconds(1);

ServerStream& ours(SessionStream& stream) { return static_cast<ServerStream&>(stream); }

}  // namespace

ServerConnection::ServerConnection(ServerConnections& owner, net::StreamPtr stream, std::uint32_t ticket)
    : owner_(owner),
      stream_(std::move(stream)),
      peer_(stream_->peer()),
      session_(Session::Role::server, owner.settings_.session, owner.memory_, *this),
      glitches_(owner.settings_.glitches, owner.waist_.loop().now()),
      timer_(net::Timer::of<&ServerConnection::on_timer>(this)),
      turn_end_(net::TurnEnd::of<&ServerConnection::on_turn_end>(this)),
      ticket_(ticket) {
  owner_.counters_.connections.add();
  owner_.counters_.connections_open.add();
  download_.start(download_terms());
}

ServerConnection::~ServerConnection() {
  owner_.counters_.connections_open.subtract();
  owner_.counters_.streams_open.subtract(static_cast<std::int64_t>(open_));
  owner_.counters_.session_bytes.subtract(static_cast<std::int64_t>(session_bytes_));
  while (streams_ != nullptr) owner_.give_back(*std::exchange(streams_, streams_->next));
}

void ServerConnection::begin(net::Buffer first_bytes) {
  stream_->set_handler(*this);
  idle_until_ = now() + owner_.times_.keep_alive_timeout;
  arm(owner_.times_.keep_alive_timeout);
  want_write();  // our settings
  first_ = std::move(first_bytes);
}

// ---- what comes

void ServerConnection::on_data(net::Buffer bytes) {
  if (!first_.empty()) receive(std::exchange(first_, net::Buffer()));
  receive(std::move(bytes));
}

void ServerConnection::receive(net::Buffer bytes) {
  if (is_over_ || is_broken_) return;
  input_ = &bytes;
  const bool is_well = session_.receive(bytes.view());
  input_ = nullptr;
  if (!is_well && !is_calming_) {  // what it broke, libnghttp2 has said already where it could
    is_broken_ = true;
    session_.terminate(ErrorCode::enhance_your_calm);
  }
  run_due();
  want_write();
}

void ServerConnection::on_end() {
  if (!first_.empty()) receive(std::exchange(first_, net::Buffer()));
  has_ended_ = true;
  for (ServerStream* stream = streams_; stream != nullptr;) {
    ServerStream& one = *std::exchange(stream, stream->next);
    if (one.has_exchange() && !one.has_last()) one.lose({&client_closed, "connection ended inside the request body"});
  }
  run_due();
  want_write();
}

void ServerConnection::on_drained() { want_write(); }

void ServerConnection::on_failed(Error) {
  fail_all({&client_closed, "connection lost"});
  close(Goodbye::abort);
}

SessionStream* ServerConnection::on_open(std::int32_t) {
  // GOAWAY names the last stream that is served when it is submitted, which may be before it is written.
  if (is_calming_ || is_over_ || is_leaving_) return nullptr;
  const auto held = static_cast<std::ptrdiff_t>(session_.held_bytes() + charged_bytes_) + buffered_bytes_;
  if (held > static_cast<std::ptrdiff_t>(owner_.settings_.connection_bytes)) {
    owner_.counters_.refused_for_memory.add();
    return nullptr;
  }
  ServerStream& stream = owner_.take_stream();
  stream.begin(*this);
  stream.previous = nullptr;
  stream.next = streams_;
  if (streams_ != nullptr) streams_->previous = &stream;
  streams_ = &stream;
  if (open_++ == 0) arm(look_period);
  owner_.counters_.streams.add();
  owner_.counters_.streams_open.add();
  return &stream;
}

void ServerConnection::on_block_begin(SessionStream& stream) {
  block_since_ = now();
  ours(stream).block_begin();
}

void ServerConnection::on_field(SessionStream& stream, std::string_view name, std::string_view value) {
  if (!ours(stream).add_field(name, value)) on_odd(Oddity::field_excess);
}

void ServerConnection::on_block_end(SessionStream& stream, bool is_last) {
  block_since_ = Instant::max();
  charged_bytes_ += ours(stream).block_end(is_last);
}

void ServerConnection::on_data(SessionStream& stream, std::string_view bytes) {
  ours(stream).add_data(loop(), *input_, bytes);
  if (ours(stream).wants_input()) make_due(ours(stream));
}

void ServerConnection::on_last(SessionStream& stream) {
  ours(stream).set_last();
  make_due(ours(stream));
}

void ServerConnection::on_malformed(SessionStream& stream) {
  block_since_ = Instant::max();
  ours(stream).set_malformed();
}

void ServerConnection::on_closed(SessionStream& stream, ErrorCode code, bool is_by_peer) {
  if (is_by_peer) return ours(stream).set_closed({&client_closed, "stream reset by the client"});
  if (code == ErrorCode::no_error) return ours(stream).set_closed({&client_closed, "stream closed"});
  ours(stream).set_closed({&request_body_malformed, "the stream broke a rule of HTTP/2"});
}

void ServerConnection::on_sent_last(SessionStream& stream) {
  glitches_.earn(Glitches::for_request);
  // RFC 9113 section 8.1: the answer is whole, the rest of the request is not wanted.
  if (!ours(stream).has_last()) session_.reset(stream, ErrorCode::no_error);
}

void ServerConnection::on_frame(std::size_t bytes, SessionStream* stream) {
  if (stream != nullptr) ours(*stream).count_received(bytes);
}

void ServerConnection::on_frame_sent(std::size_t bytes, SessionStream* stream, bool is_data) {
  written_bytes_ += bytes;
  if (is_data) glitches_.earn(Glitches::for_data);
  if (stream == nullptr) return;
  ours(*stream).count_sent(bytes);
  if (is_data) ours(*stream).note_written(data_until_ = written_bytes_);
}

void ServerConnection::on_odd(Oddity oddity) {
  owner_.counters_.oddities[static_cast<std::size_t>(oddity)].add();
  if (is_calming_ || glitches_.spend(oddity, now())) return;
  is_calming_ = true;
  owner_.counters_.calmed.add();
  session_.terminate(ErrorCode::enhance_your_calm);
}

// ---- acting on it

void ServerConnection::make_due(ServerStream& stream) {
  if (std::exchange(stream.is_due, true)) return;
  due_.push_back(&stream);
  want_write();
}

void ServerConnection::run_due() {
  if (is_calming_) fail_all({&client_misbehaved, "its budget of odd frames is used up"});
  if (is_broken_) fail_all({&client_closed, "the connection broke a rule of HTTP/2"});
  for (std::size_t i = 0; i < due_.size(); ++i) {  // grows meanwhile
    due_[i]->is_due = false;
    due_[i]->run();
  }
  due_.clear();
}

void ServerConnection::fail_all(Refusal why) {
  for (ServerStream* stream = streams_; stream != nullptr; stream = stream->next) stream->lose(why);
  for (std::size_t i = 0; i < due_.size(); ++i) {
    due_[i]->is_due = false;
    due_[i]->run();
  }
  due_.clear();
}

void ServerConnection::on_turn_end() {
  if (is_over_) return owner_.destroy(*this);  // it waited for its exchanges
  if (!first_.empty()) receive(std::exchange(first_, net::Buffer()));
  run_due();
  write();
  run_due();
  sweep_closed();
  if (!is_done()) return;
  close(Goodbye::flush_and_close);
}

void ServerConnection::write() {
  if (!session_.write(*stream_, most_unsent_bytes)) is_broken_ = true;
  if (session_.wants_to_write() && stream_->unsent_bytes() > 0) stream_->want_drained();
  update_session_bytes();
}

// Streams that neither side will name again go back.
void ServerConnection::sweep_closed() {
  for (ServerStream* stream = streams_; stream != nullptr;) {
    ServerStream& one = *std::exchange(stream, stream->next);
    if (!one.is_over() || one.is_due) continue;
    (one.previous != nullptr ? one.previous->next : streams_) = one.next;
    if (one.next != nullptr) one.next->previous = one.previous;
    charged_bytes_ -= one.charged_bytes();
    buffered_bytes_ -= static_cast<std::ptrdiff_t>(one.buffered_bytes());
    owner_.give_back(one);
    owner_.counters_.streams_open.subtract();
    if (--open_ > 0) continue;
    is_untaken_ = false;
    idle_until_ = now() + owner_.times_.keep_alive_timeout;
    if (owner_.waist_.is_draining()) announce_drain();
    arm(stream_->unsent_bytes() > 0 ? look_period : owner_.times_.keep_alive_timeout);
  }
}

bool ServerConnection::is_done() const {
  if (is_broken_ || session_.is_over()) return !session_.wants_to_write() || is_broken_;
  return open_ == 0 && (has_ended_ || is_leaving_) && !session_.wants_to_write();
}

void ServerConnection::close(Goodbye how) {
  if (std::exchange(is_over_, true)) return;
  fail_all({&client_closed, "the connection broke a rule of HTTP/2, or was closed"});
  timer_.cancel();
  turn_end_.cancel();
  stream_.release()->let_go(how);
  unlink();
  owner_.destroy(*this);
}

bool ServerConnection::has_exchanges() const {
  for (const ServerStream* stream = streams_; stream != nullptr; stream = stream->next)
    if (stream->has_exchange()) return true;
  return false;
}

void ServerConnection::update_session_bytes() {
  const std::size_t held = session_.held_bytes();
  owner_.counters_.session_bytes.add(static_cast<std::int64_t>(held) - static_cast<std::int64_t>(session_bytes_));
  session_bytes_ = held;
}

// ---- leaving

void ServerConnection::announce_drain() {
  if (is_over_ || is_leaving_ || std::exchange(has_announced_, true)) return;
  session_.announce_goaway();
  want_write();
}

void ServerConnection::drain() {
  if (is_over_ || std::exchange(is_leaving_, true)) return;
  session_.goaway(ErrorCode::no_error);
  want_write();
}

void ServerConnection::close_if_idle() {
  if (is_idle()) drain();
}

void ServerConnection::cut() {
  fail_all({&client_closed, "the gateway stops"});
  close(Goodbye::abort);
}

// ---- time

h1::Pace::Terms ServerConnection::download_terms() const {
  const h1::ServerSettings& times = owner_.times_;
  return {times.least_download_rate, times.rate_grace, times.client_idle_timeout};
}

// Of all that was written, what the client's system has.
std::int64_t ServerConnection::taken_bytes() const {
  return static_cast<std::int64_t>(written_bytes_) -
         static_cast<std::int64_t>(stream_->unsent_bytes() + stream_->unacknowledged_bytes());
}

void ServerConnection::arm(Duration after) { loop().set_timer(timer_, after); }

void ServerConnection::on_timer() {
  if (is_over_) return;
  const std::size_t unsent = stream_->unsent_bytes();
  if (unsent == 0 && !is_untaken_) {
    if (download_.is_waiting()) download_.stop(now());
  } else if (!download_.is_waiting()) {
    download_.wait(now());
  } else if (now() >= download_.deadline()) {
    if (!download_.renew(download_terms(), taken_bytes(), now())) {
      fail_all({&client_too_slow, "the answers were not taken, or too slowly"});
      return close(Goodbye::abort);
    }
  }
  if (open_ > 0) {
    look_at_streams();
    return arm(look_period);
  }
  if (now() >= idle_until_ || is_leaving_) {
    if (is_leaving_ && unsent > 0) return arm(look_period);
    drain();
    return arm(look_period);
  }
  arm(unsent > 0 ? look_period : idle_until_ - now());
}

void ServerConnection::look_at_streams() {
  if (block_since_ != Instant::max() && now() - block_since_ >= owner_.times_.request_header_timeout) {
    on_odd(Oddity::window_stall);
    session_.terminate(ErrorCode::enhance_your_calm);
    fail_all({&request_header_timeout, "head not complete in time"});
    return want_write();
  }
  const bool is_connection_shut = session_.is_connection_window_shut();
  const bool is_socket_full = stream_->unsent_bytes() >= most_unsent_bytes;
  std::int64_t taken = -1;  // not asked for yet
  is_untaken_ = false;
  for (ServerStream* stream = streams_; stream != nullptr; stream = stream->next) {
    bool is_blocked =
        stream->has_output() && !is_socket_full && (is_connection_shut || session_.is_stream_window_shut(*stream));
    if (is_blocked) {
      // A window is the client's to open when it has what filled it: until then its pace is the connection's.
      if (taken < 0) taken = taken_bytes();
      const std::uint64_t filled_until = is_connection_shut ? data_until_ : stream->written_until();
      const bool is_on_its_way = taken < static_cast<std::int64_t>(filled_until);
      is_untaken_ |= is_on_its_way;
      is_blocked = !is_on_its_way;
    }
    if (!stream->look(now(), is_blocked)) on_odd(Oddity::window_stall);
  }
  run_due();
}

}  // namespace sluice::http::h2
