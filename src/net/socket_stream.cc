#include "net/socket_stream.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/proxy_header.h"
#include "net/socket_error.h"
#include "net/socket_loop.h"

namespace sluice::net {

SocketStream::SocketStream(SocketLoop& loop)
    : loop_(loop), patience_(Timer::of<&SocketStream::out_of_patience>(this)) {}

SocketStream::~SocketStream() {
  output_.clear(loop_.memory());
  if (descriptor_ >= 0) ::close(descriptor_);
}

void SocketStream::begin(int descriptor, const Address& peer, StreamHandler* handler) {
  descriptor_ = descriptor;
  peer_ = peer;
  handler_ = handler;
  life_ = Life::open;
  expected_bytes_ = 0;
  dropped_bytes_ = lost_bytes_ = 0;
  is_connecting_ = is_paused_ = has_ended_ = has_pending_error_ = is_broken_ = false;
  wants_drained_ = wants_finish_ = has_finished_ = false;
}

void SocketStream::bury() {
  output_.clear(loop_.memory());
  handed_back_ = Buffer();
}

void SocketStream::start_anew(Buffer rest, const Address& peer) {
  peer_ = peer;
  handler_ = nullptr;
  if (!rest.empty()) handed_back_ = std::move(rest);
}

void start_anew(Stream& accepted, Buffer rest, const Address& peer) {
  static_cast<SocketStream&>(accepted).start_anew(std::move(rest), peer);  // acceptors make no others
}

// False when the handler has let go meanwhile.
bool SocketStream::deliver_handed_back() {
  handler_->on_data(std::exchange(handed_back_, Buffer()));
  return life_ == Life::open && handler_ != nullptr;
}

void SocketStream::take_up() {
  if (handed_back_ && may_read() && life_ == Life::open && !deliver_handed_back()) return;
  continue_reading();
}

void SocketStream::set_handler(StreamHandler& handler) {
  handler_ = &handler;
  if (has_pending_error_ || handed_back_) return loop_.queue_ready(*this);
  wake_reading();
}

void SocketStream::resume_reading() {
  if (!is_paused_) return;
  is_paused_ = false;
  if (handed_back_) return loop_.queue_ready(*this);
  wake_reading();
}

char* SocketStream::room(std::size_t bytes) { return output_.room(loop_.memory(), bytes); }

void SocketStream::wrote(std::size_t bytes) {
  if (!takes_output()) return;
  output_.wrote(bytes);
  loop_.queue_flush(*this);
}

void SocketStream::write(std::string_view bytes) {
  if (!takes_output()) return;
  output_.append(loop_.memory(), bytes);
  loop_.queue_flush(*this);
}

void SocketStream::write(Buffer bytes) {
  if (!takes_output()) return;
  output_.append(loop_.memory(), std::move(bytes));
  loop_.queue_flush(*this);
}

std::size_t SocketStream::unacknowledged_bytes() const {
  int count = 0;
  return descriptor_ >= 0 && ::ioctl(descriptor_, SIOCOUTQ, &count) == 0 ? static_cast<std::size_t>(count) : 0;
}

void SocketStream::want_drained() {
  wants_drained_ = true;
  if (output_.empty()) loop_.queue_flush(*this);
}

void SocketStream::finish_writing() {
  wants_finish_ = true;
  loop_.queue_flush(*this);
}

void SocketStream::let_go(Goodbye how) {
  handler_ = nullptr;
  const bool is_gone = life_ != Life::open || is_broken_ || is_connecting_ || has_pending_error_;
  if (how == Goodbye::flush_and_close && !is_gone) {
    life_ = Life::flushing;
    loop_.count_leaving();
    wants_finish_ = true;
    wants_drained_ = is_paused_ = false;
    expected_bytes_ = 0;
    loop_.set_timer(patience_, flush_patience);
    loop_.queue_flush(*this);
    return wake_reading();
  }
  if (how == Goodbye::abort && descriptor_ >= 0) reset_when_closed();
  close_now();
}

void SocketStream::reset_when_closed() {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);  // at worst the peer sees a FIN
}

void SocketStream::shut_down_writing() {
  (void)::shutdown(descriptor_, SHUT_WR);  // fails only when the connection is gone, which reading will tell
}

void SocketStream::close_now() {
  if (life_ == Life::dead) return;
  if (life_ == Life::flushing || life_ == Life::lingering) loop_.count_left();
  life_ = Life::dead;
  handler_ = nullptr;
  patience_.cancel();
  close_descriptor();
  loop_.queue_burial(*this);
}

void SocketStream::out_of_patience() {
  if (life_ == Life::flushing) return let_go(Goodbye::abort);
  // Closing now, with the peer still sending, would reset the connection under bytes that it is about to take.
  const std::size_t left = unacknowledged_bytes();
  const bool is_taking = left > 0 && (linger_patiences_ == 0 || left < lingering_bytes_);
  if (!is_taking || ++linger_patiences_ == most_linger_patiences) return close_now();
  lingering_bytes_ = left;
  loop_.set_timer(patience_, linger_patience);
}

bool SocketStream::may_read() const {
  if (is_paused_ || has_ended_ || is_connecting_ || descriptor_ < 0) return false;
  return life_ == Life::open ? handler_ != nullptr : life_ == Life::flushing || life_ == Life::lingering;
}

void SocketStream::connected() {
  is_connecting_ = false;
  loop_.tally().connects.add(1);
  handler_->on_connected();
  if (life_ != Life::open) return;
  loop_.queue_flush(*this);
  wake_reading();
}

void SocketStream::received(Buffer bytes) {
  loop_.tally().received_bytes.add(bytes.size());
  if (life_ == Life::open) {
    if (handed_back_ && !deliver_handed_back()) return;
    expected_bytes_ -= std::min<std::uint64_t>(expected_bytes_, bytes.size());
    return handler_->on_data(std::move(bytes));
  }
  dropped_bytes_ += bytes.size();
  if (dropped_bytes_ <= most_lingered_bytes) return;
  if (life_ == Life::lingering) return close_now();
  is_paused_ = true;
}

void SocketStream::ended() {
  has_ended_ = true;
  expected_bytes_ = 0;
  if (is_broken_) return fail(pending_error_);
  if (life_ == Life::open) {
    if (handed_back_ && !deliver_handed_back()) return;
    return handler_->on_end();
  }
  if (life_ == Life::lingering) close_now();
}

void SocketStream::sent(std::size_t count) {
  loop_.tally().sent_bytes.add(count);
  output_.drop_front(loop_.memory(), count);
  if (life_ == Life::flushing) loop_.set_timer(patience_, flush_patience);
}

void SocketStream::drained() {
  if (wants_finish_ && !has_finished_) {
    has_finished_ = true;
    shut_down_writing();
  }
  if (life_ == Life::flushing) {
    if (has_ended_ || dropped_bytes_ > most_lingered_bytes) return close_now();
    life_ = Life::lingering;
    linger_patiences_ = 0;
    loop_.note_lingering(*this);
    return loop_.set_timer(patience_, linger_patience);
  }
  if (wants_drained_ && handler_ != nullptr) {
    wants_drained_ = false;
    handler_->on_drained();
  }
}

void SocketStream::send_failed(int number) {
  if (life_ != Life::open) return close_now();
  lost_bytes_ = output_.size();
  output_.clear(loop_.memory());
  const Error error = error_of(number);
  if (!may_read() || (number != EPIPE && number != ECONNRESET)) return fail(error);
  // The peer may have answered before it cut us off: its bytes are still in the kernel, and reading ends in the
  // failure.
  is_broken_ = true;
  pending_error_ = error;
  wake_reading();
}

void SocketStream::fail_later(const Error& error) {
  pending_error_ = error;
  has_pending_error_ = true;
  loop_.queue_ready(*this);
}

void SocketStream::fail(Error error) {
  if (life_ != Life::open) return close_now();
  if (handler_ == nullptr) {
    pending_error_ = error;
    has_pending_error_ = true;
    return;
  }
  error.retryable = is_connecting_;  // nothing has been sent yet
  life_ = Life::failed;
  patience_.cancel();
  close_descriptor();
  std::exchange(handler_, nullptr)->on_failed(error);
}

ssize_t SocketStream::send_at_once(std::span<const iovec> pieces) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());  // the kernel does not write through it
  message.msg_iovlen = pieces.size();
  loop_.tally().sends.add(1);
  for (;;) {
    // One piece is the common case, and send() is the cheaper call for it.
    const ssize_t count = pieces.size() == 1
                              ? ::send(descriptor_, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT)
                              : ::sendmsg(descriptor_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace sluice::net
