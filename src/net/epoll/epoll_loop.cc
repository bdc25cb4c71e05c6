#include "net/epoll/epoll_loop.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "net/acceptor.h"
#include "net/socket_error.h"

namespace sluice::net {
namespace {

// What an event belongs to: a stream's address, an acceptor's with this bit, the bit alone for the alarm, or null for
// the mailbox.
constexpr std::uintptr_t acceptor_bit = 1;

}  // namespace

Result<std::unique_ptr<Loop>> EpollLoop::make() {
  const int descriptor = epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) return std::unexpected(setup_error_of(errno));
  auto loop = std::unique_ptr<EpollLoop>(new EpollLoop(descriptor));
  epoll_event mail{.events = EPOLLIN, .data = {.ptr = nullptr}};
  epoll_event alarm{.events = EPOLLIN | EPOLLET, .data = {.u64 = acceptor_bit}};
  if (loop->mailbox_.descriptor() < 0 || loop->alarm_.descriptor() < 0 ||
      epoll_ctl(descriptor, EPOLL_CTL_ADD, loop->mailbox_.descriptor(), &mail) != 0 ||
      epoll_ctl(descriptor, EPOLL_CTL_ADD, loop->alarm_.descriptor(), &alarm) != 0) {
    return std::unexpected(setup_error_of(errno));
  }
  return loop;
}

EpollLoop::EpollLoop(int descriptor) : descriptor_(descriptor) {}

EpollLoop::~EpollLoop() { ::close(descriptor_); }

StreamPtr EpollLoop::connect(const Address& to, StreamHandler& handler) {
  EpollStream& stream = streams_.take(*this);
  stream.connect(to, handler);
  return StreamPtr(&stream);
}

StreamPtr EpollLoop::adopt(int descriptor, const Address& peer) {
  EpollStream& stream = streams_.take(*this);
  stream.adopt(descriptor, peer);
  return StreamPtr(&stream);
}

int EpollLoop::accept_flags() const { return SOCK_NONBLOCK | SOCK_CLOEXEC; }

void EpollLoop::watch(SocketAcceptor& acceptor, bool wanted) {
  const auto tagged = reinterpret_cast<std::uintptr_t>(&acceptor) | acceptor_bit;
  epoll_event event{.events = wanted ? EPOLLIN : 0u, .data = {.u64 = tagged}};
  const bool is_known = acceptor.watch_state != nullptr;
  (void)epoll_ctl(descriptor_, is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, acceptor.descriptor(), &event);
  acceptor.watch_state = this;
}

void EpollLoop::forget(SocketAcceptor& acceptor) {
  const auto tagged = reinterpret_cast<std::uintptr_t>(&acceptor) | acceptor_bit;
  (void)epoll_ctl(descriptor_, EPOLL_CTL_DEL, acceptor.descriptor(), nullptr);
  for (int i = 0; i < event_count_; ++i) {  // of the batch being handled
    if (events_[i].data.u64 == tagged) events_[i].events = 0;
  }
}

void EpollLoop::run() {
  is_running_ = true;
  flush_all();
  while (is_running_) {
    const int count = epoll_wait(descriptor_, events_.data(), static_cast<int>(events_.size()), may_wait() ? -1 : 0);
    event_count_ = std::max(count, 0);  // a signal ends the wait too
    read_clocks();
    for (int i = 0; i < event_count_; ++i) {
      handle(events_[i]);
      flush_all();
    }
    event_count_ = 0;
    run_ready();
    run_timers();
    end_turn();
    bury();
  }
}

void EpollLoop::handle(const epoll_event& event) {
  if (event.events == 0) return;
  if (event.data.ptr == nullptr) return mailbox_.run_all();
  if (event.data.u64 == acceptor_bit) return alarm_.rang();
  if ((event.data.u64 & acceptor_bit) != 0) {
    return reinterpret_cast<SocketAcceptor*>(event.data.u64 & ~acceptor_bit)->accept_batch();
  }
  static_cast<EpollStream*>(event.data.ptr)->on_events(event.events);
}

}  // namespace sluice::net
