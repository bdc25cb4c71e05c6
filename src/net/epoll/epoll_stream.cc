#include "net/epoll/epoll_stream.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "net/epoll/epoll_loop.h"
#include "net/socket_error.h"

namespace sluice::net {

EpollStream::EpollStream(EpollLoop& loop) : SocketStream(loop), epoll_(loop) {}

void EpollStream::start(int descriptor) {
  is_readable_ = has_hung_up_ = is_blocked_ = false;
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = this}};
  if (epoll_ctl(epoll_.descriptor(), EPOLL_CTL_ADD, descriptor, &event) != 0) fail_later(error_of(errno));
}

void EpollStream::adopt(int descriptor, const Address& peer) {
  begin(descriptor, peer, nullptr);
  start(descriptor);
}

void EpollStream::connect(const Address& to, StreamHandler& handler) {
  sockaddr_storage storage{};
  const socklen_t length = to.to_sockaddr(storage);
  const int descriptor = ::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int socket_error = errno;
  begin(descriptor, to, &handler);
  is_connecting_ = true;
  if (descriptor < 0) return fail_later(error_of(socket_error));
  const int one = 1;
  (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&storage), length) != 0 && errno != EINPROGRESS) {
    return fail_later(error_of(errno));
  }
  start(descriptor);  // connected at once: the first event says so
}

void EpollStream::on_events(std::uint32_t events) {
  if (life_ == Life::dead || descriptor_ < 0) return;
  if (is_connecting_) return finish_connecting(events);
  if ((events & EPOLLOUT) != 0 && is_blocked_) {
    is_blocked_ = false;
    loop_.queue_flush(*this);
  }
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) return;
  is_readable_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) has_hung_up_ = true;
  if (has_ended_ && (events & EPOLLERR) != 0) {  // reset behind the FIN: no read will tell
    int number = ECONNRESET;
    socklen_t length = sizeof number;
    (void)getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &number, &length);
    return fail(error_of(number == 0 ? ECONNRESET : number));
  }
  continue_reading();
}

void EpollStream::finish_connecting(std::uint32_t events) {
  int number = 0;
  socklen_t length = sizeof number;
  if (getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &number, &length) != 0) number = errno;
  if (number != 0) return fail(error_of(number));
  is_readable_ = (events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0;
  has_hung_up_ = (events & (EPOLLRDHUP | EPOLLHUP)) != 0;
  connected();
}

void EpollStream::wake_reading() {
  if (is_readable_ && may_read()) loop_.queue_ready(*this);
  if (is_broken_ && may_read()) {
    is_readable_ = has_hung_up_ = true;
    loop_.queue_ready(*this);
  }
}

void EpollStream::continue_reading() {
  if (std::exchange(has_pending_error_, false)) return fail(pending_error_);
  for (int i = 0; i < reads_per_turn; ++i) {
    if (!is_readable_ || !may_read()) return;
    read_block();
    // Between reads, not after all: what was received leaves while it is in the cache, and its block is used again.
    loop_.flush_all();
  }
  if (is_readable_ && may_read()) loop_.queue_ready(*this);
}

void EpollStream::read_block() {
  Buffer block = loop_.memory().blocks.take(block_bytes);
  const ssize_t count = ::recv(descriptor_, block.block(), block.capacity(), 0);
  loop_.tally().receives.add(1);
  if (count > 0) {
    block.set_size(static_cast<std::size_t>(count));
    if (block.size() < block.capacity() && !has_hung_up_) is_readable_ = false;
    return received(std::move(block));
  }
  const int number = count == 0 ? 0 : errno;
  if (number == EINTR) return;
  is_readable_ = false;
  block = Buffer();
  if (number == 0) return ended();
  if (is_broken_) return fail(pending_error_);
  if (number != EAGAIN) return fail(error_of(number));
}

void EpollStream::flush() {
  if (is_blocked_ || !may_send()) return;
  while (!output_.empty()) {
    iovec pieces[16];
    const Output::Gathered gathered = output_.gather(pieces);
    const ssize_t count = send_at_once(std::span(pieces, gathered.pieces));
    if (count < 0 && count != -EAGAIN) return send_failed(static_cast<int>(-count));
    if (count > 0) sent(static_cast<std::size_t>(count));
    if (count < static_cast<ssize_t>(gathered.bytes)) {
      is_blocked_ = true;
      return;
    }
  }
  drained();
}

void EpollStream::close_descriptor() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));  // leaves the epoll set by itself
}

}  // namespace sluice::net
