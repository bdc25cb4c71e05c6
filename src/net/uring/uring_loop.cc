#include "net/uring/uring_loop.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "net/acceptor.h"

namespace sluice::net {
namespace {

using Operation = UringStream::Operation;
constexpr std::uint64_t operation_bits = 7;

std::uint64_t tag(const void* object, Operation operation) {
  return reinterpret_cast<std::uint64_t>(object) | static_cast<std::uint64_t>(operation);
}

}  // namespace

Result<std::unique_ptr<Loop>> UringLoop::make() {
  auto loop = std::unique_ptr<UringLoop>(new UringLoop);
  SLUICE_TRY([[maybe_unused]] const int descriptor, loop->ring_.open());
  SLUICE_TRY([[maybe_unused]] const int blocks, loop->receive_blocks_.open(loop->ring_));
  if (loop->mailbox_.descriptor() < 0 || loop->alarm_.descriptor() < 0)
    return fail(Code::exhausted, Side::gateway, "eventfd, timerfd: out of descriptors");
  return loop;
}

UringLoop::~UringLoop() = default;

StreamPtr UringLoop::connect(const Address& to, StreamHandler& handler) {
  UringStream& stream = streams_.take(*this);
  stream.connect(to, handler);
  return StreamPtr(&stream);
}

StreamPtr UringLoop::adopt(int descriptor, const Address& peer) {
  UringStream& stream = streams_.take(*this);
  stream.adopt(descriptor, peer);
  return StreamPtr(&stream);
}

int UringLoop::accept_flags() const { return SOCK_CLOEXEC; }  // the kernel waits by itself: see UringStream

void UringLoop::submit_poll(int descriptor, std::uint64_t user_data) {
  io_uring_sqe& submission = ring_.next();
  submission.opcode = IORING_OP_POLL_ADD;
  submission.fd = descriptor;
  submission.poll32_events = POLLIN;
  submission.user_data = user_data;
}

void UringLoop::watch(SocketAcceptor& acceptor, bool wanted) {
  auto* watch = static_cast<Watch*>(acceptor.watch_state);
  if (watch == nullptr) {
    watch = watches_.emplace_back(std::make_unique<Watch>(&acceptor)).get();
    acceptor.watch_state = watch;
  }
  watch->is_wanted = wanted;
  if (!wanted || std::exchange(watch->is_polling, true)) return;  // an unwanted poll ends by itself, unanswered
  submit_poll(acceptor.descriptor(), tag(watch, Operation::watch));
}

void UringLoop::on_watch(Watch& watch) {
  watch.is_polling = false;
  if (watch.acceptor == nullptr) {
    std::erase_if(watches_, [&](const auto& one) { return one.get() == &watch; });
    return;
  }
  SocketAcceptor& acceptor = *watch.acceptor;
  if (watch.is_wanted) acceptor.accept_batch();
  if (watch.is_wanted) this->watch(acceptor, true);
}

void UringLoop::forget(SocketAcceptor& acceptor) {
  auto* const watch = static_cast<Watch*>(acceptor.watch_state);
  watch->acceptor = nullptr;
  if (watch->is_polling) {
    ring_.cancel(tag(watch, Operation::watch));
    ring_.enter(false);  // now: the poll holds the socket open, and clients would go on connecting to it
  } else {
    on_watch(*watch);
  }
}

void UringLoop::run() {
  ring_.enable();
  is_running_ = true;
  if (!std::exchange(is_watching_mailbox_, true)) submit_poll(mailbox_.descriptor(), tag(nullptr, Operation::mailbox));
  while (is_running_) {
    end_turn();
    bury();
    const bool waits = may_wait();
    watch_alarm();
    ring_.enter(waits);
    read_clocks();
    ring_.drain([this](std::uint64_t user_data, int result, unsigned flags) { handle(user_data, result, flags); });
    run_ready();
    run_timers();
  }
  flush_all();
  ring_.enter(false);  // what was written last still leaves
}

// A poll for each setting: one made before it is set anew would be answered by what has rung already.
void UringLoop::watch_alarm() {
  if (!alarm_.is_set() || std::exchange(is_watching_alarm_, true)) return;
  submit_poll(alarm_.descriptor(), tag(nullptr, Operation::alarm));
}

void UringLoop::handle(std::uint64_t user_data, int result, unsigned flags) {
  const auto operation = static_cast<Operation>(user_data & operation_bits);
  void* const object = reinterpret_cast<void*>(user_data & ~operation_bits);
  switch (operation) {
    case Operation::none:
      return;
    case Operation::mailbox:
      submit_poll(mailbox_.descriptor(), user_data);
      return mailbox_.run_all();
    case Operation::alarm:
      is_watching_alarm_ = false;
      return alarm_.rang();
    case Operation::watch:
      return on_watch(*static_cast<Watch*>(object));
    default:
      static_cast<UringStream*>(object)->on_completion(operation, result, flags);
  }
}

}  // namespace sluice::net
