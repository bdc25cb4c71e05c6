#include "net/acceptor.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/socket_loop.h"

namespace sluice::net {

void SocketLoop::prepare_listening(int descriptor) {
  // The socket may come from another process.
  (void)fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  const int one = 1;
  (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

int SocketLoop::take_connection(int listening, Address& peer) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  const int accepted = ::accept4(listening, reinterpret_cast<sockaddr*>(&storage), &length, accept_flags());
  if (accepted < 0) return -errno;
  peer = Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage));
  return accepted;
}

SocketAcceptor::SocketAcceptor(SocketLoop& loop, ListenSocket socket, AcceptHandler& handler)
    : loop_(loop),
      socket_(std::move(socket)),
      handler_(handler),
      back_off_(Timer::of<&SocketAcceptor::try_again>(this)) {
  loop_.prepare_listening(descriptor());
  loop_.acceptors_.push_back(this);
  update_watch();
}

SocketAcceptor::~SocketAcceptor() {
  loop_.forget(*this);
  std::erase(loop_.acceptors_, this);
  // The kernel has told these clients that they are connected. Out of descriptors the rest is lost with the socket.
  while (accept_one() == Outcome::accepted) {
  }
}

void SocketAcceptor::update_watch() { loop_.watch(*this, !loop_.is_accepting_paused_ && !back_off_.is_set()); }

void SocketAcceptor::try_again() { update_watch(); }

void SocketAcceptor::accept_batch() {
  for (int i = 0; i < most_per_turn && !loop_.is_accepting_paused_; ++i) {
    const Outcome outcome = accept_one();
    if (outcome == Outcome::nothing_waits) return;
    if (outcome == Outcome::exhausted) {
      loop_.set_timer(back_off_, back_off);
      return update_watch();
    }
  }
}

// Whoever has got everything and is only waited for makes room for the next; else whom the handler can do without.
bool SocketAcceptor::make_room() {
  if (loop_.close_lingering(most_per_turn) > 0) return true;
  const bool has_closed = handler_.make_room();
  if (has_closed) (void)loop_.close_lingering(most_per_turn);
  return has_closed;
}

SocketAcceptor::Outcome SocketAcceptor::accept_one() {
  bool has_made_room = false;
  for (;;) {
    Address peer;
    const int accepted = loop_.take_connection(descriptor(), peer);
    if (accepted >= 0) {
      loop_.tally().accepts.add(1);
      handler_.on_accept(loop_.adopt(accepted, peer));
      return Outcome::accepted;
    }
    switch (-accepted) {
      case EAGAIN:
        return Outcome::nothing_waits;
      case EMFILE:
      case ENFILE:
        if (!std::exchange(has_made_room, true) && make_room()) continue;
        [[fallthrough]];
      case ENOBUFS:
      case ENOMEM:
        loop_.tally().accept_errors.add(1);
        return Outcome::exhausted;
      case EBADF:
      case EINVAL:
      case ENOTSOCK:
      case EOPNOTSUPP:
        loop_.tally().accept_errors.add(1);
        return Outcome::exhausted;  // never spin on a dead socket
      default:
        break;  // ECONNABORTED, EINTR, a network error of the new connection (accept(2)): the next one
    }
  }
}

}  // namespace sluice::net
