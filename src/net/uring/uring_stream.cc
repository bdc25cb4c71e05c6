#include "net/uring/uring_stream.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "net/socket_error.h"
#include "net/uring/uring_loop.h"

namespace sluice::net {
namespace {

constexpr std::uint8_t bit(UringStream::Operation operation) {
  return static_cast<std::uint8_t>(1u << static_cast<unsigned>(operation));
}
constexpr std::uint8_t reading = bit(UringStream::Operation::receive) | bit(UringStream::Operation::poll);

}  // namespace

UringStream::UringStream(UringLoop& loop) : SocketStream(loop), uring_(loop) {}

UringStream::~UringStream() { held_.clear(loop_.memory()); }

void UringStream::start(int descriptor) {
  file_ = descriptor >= 0 ? uring_.ring().add_file(descriptor) : -1;
  full_blocks_ = small_reads_ = 0;
  is_cancelling_receive_ = is_bulk_ = has_held_end_ = false;
}

void UringStream::adopt(int descriptor, const Address& peer) {
  begin(descriptor, peer, nullptr);
  start(descriptor);
}

void UringStream::connect(const Address& to, StreamHandler& handler) {
  sockaddr_storage storage{};
  const socklen_t length = to.to_sockaddr(storage);
  const int descriptor = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int socket_error = errno;
  begin(descriptor, to, &handler);
  start(descriptor);
  is_connecting_ = true;
  if (descriptor < 0) return fail_later(error_of(socket_error));
  const int one = 1;
  (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  io_uring_sqe& submission = submit(Operation::connect, IORING_OP_CONNECT);
  sockaddr_storage& address = uring_.ring().scratch_of(submission).address;
  address = storage;
  submission.addr = reinterpret_cast<std::uint64_t>(&address);
  submission.off = length;
}

// A submission for this socket, its operation noted as being in the kernel.
io_uring_sqe& UringStream::submit(Operation operation, std::uint8_t opcode) {
  io_uring_sqe& submission = uring_.ring().next();
  submission.opcode = opcode;
  submission.fd = file_ >= 0 ? file_ : descriptor_;
  submission.flags = file_ >= 0 ? IOSQE_FIXED_FILE : 0;
  submission.user_data = tag(operation);
  operations_ |= bit(operation);
  return submission;
}

std::uint64_t UringStream::tag(Operation operation) const {
  return reinterpret_cast<std::uint64_t>(this) | static_cast<std::uint64_t>(operation);
}

void UringStream::submit_receive() {
  io_uring_sqe& submission = submit(Operation::receive, IORING_OP_RECV);
  submission.flags |= IOSQE_BUFFER_SELECT;
  submission.buf_group = ReceiveBlocks::group;
  submission.ioprio = IORING_RECV_MULTISHOT;
}

void UringStream::submit_poll() { submit(Operation::poll, IORING_OP_POLL_ADD).poll32_events = POLLIN | POLLRDHUP; }

void UringStream::expect_bytes(std::uint64_t bytes) {
  SocketStream::expect_bytes(bytes);
  if (bytes >= bulk_from_bytes) enter_bulk();
}

std::size_t UringStream::untouched_bytes() const {
  const bool is_sending = (operations_ & bit(Operation::send)) != 0;
  return SocketStream::untouched_bytes() - (is_sending ? sending_bytes_ : 0);
}

void UringStream::enter_bulk() {
  small_reads_ = 0;
  if (std::exchange(is_bulk_, true)) return;
  cancel_receive();
}

void UringStream::cancel_receive() {
  if ((operations_ & bit(Operation::receive)) == 0 || std::exchange(is_cancelling_receive_, true)) return;
  uring_.ring().cancel(tag(Operation::receive));
}

void UringStream::wake_reading() {
  // While a receive is armed and nothing is held, the kernel will speak first.
  if (may_read() && ((operations_ & reading) == 0 || !held_.empty() || has_held_end_)) loop_.queue_ready(*this);
}

void UringStream::continue_reading() {
  if (std::exchange(has_pending_error_, false)) return fail(pending_error_);
  while (!held_.empty() && may_read()) received(held_.pop(loop_.memory()));
  if (!may_read() || !held_.empty()) return;
  if (std::exchange(has_held_end_, false)) return ended();
  if ((operations_ & reading) != 0) return;
  is_bulk_ ? read_bulk() : submit_receive();
}

void UringStream::read_bulk() {
  for (int i = 0; i < bulk_reads_per_turn; ++i) {
    Buffer block = loop_.memory().blocks.take(bulk_block_bytes);
    const ssize_t count = ::recv(descriptor_, block.block(), block.capacity(), MSG_DONTWAIT);
    loop_.tally().receives.add(1);
    if (count < 0) {
      if (errno == EAGAIN) return submit_poll();
      return fail(is_broken_ ? pending_error_ : error_of(errno));
    }
    if (count == 0) return ended();
    const auto size = static_cast<std::size_t>(count);
    block.set_size(size);
    const bool is_drained = size < bulk_block_bytes;
    small_reads_ = size < ReceiveBlocks::block_bytes ? static_cast<std::uint8_t>(small_reads_ + 1) : 0;
    if (small_reads_ == small_reads_to_multishot) is_bulk_ = false;
    received(std::move(block));
    loop_.flush_all();  // what was received leaves while it is in the cache, and its block is used again
    if (!may_read()) return;
    if (!is_bulk_) return submit_receive();
    if (is_drained) return submit_poll();
  }
  loop_.queue_ready(*this);
}

void UringStream::on_completion(Operation operation, int result, unsigned flags) {
  if ((flags & IORING_CQE_F_MORE) == 0) operations_ &= static_cast<std::uint8_t>(~bit(operation));
  switch (operation) {
    case Operation::receive:
      on_received(result, flags);
      break;
    case Operation::poll:
      if (life_ != Life::dead && life_ != Life::failed && may_read()) continue_reading();
      break;
    case Operation::send:
      on_sent(result);
      break;
    case Operation::connect:
      if (life_ != Life::open) break;
      result < 0 ? fail(error_of(-result)) : connected();
      break;
    default:
      break;
  }
  if (life_ == Life::dead || life_ == Life::failed) close_when_still();
}

void UringStream::on_received(int result, unsigned flags) {
  const bool is_last = (flags & IORING_CQE_F_MORE) == 0;
  if (is_last) is_cancelling_receive_ = false;
  if (result > 0) {
    loop_.tally().receives.add(1);
    take_or_hold(uring_.receive_blocks().lend(flags >> IORING_CQE_BUFFER_SHIFT, static_cast<std::size_t>(result),
                                              loop_.memory().blocks));
  } else if (life_ == Life::dead || life_ == Life::failed) {
    return;
  } else if (result == 0) {
    if (may_read() && held_.empty()) return ended();
    has_held_end_ = true;
    return;
  } else if (result != -ENOBUFS && result != -ECANCELED) {
    return fail(is_broken_ ? pending_error_ : error_of(-result));
  }
  // The kernel ended a multishot receive: out of blocks for now, cancelled, or to be fair to others.
  if (is_last && life_ != Life::dead && life_ != Life::failed) wake_reading();
}

void UringStream::take_or_hold(Buffer bytes) {
  if (life_ == Life::dead || life_ == Life::failed) return;
  full_blocks_ = bytes.size() == ReceiveBlocks::block_bytes ? static_cast<std::uint8_t>(full_blocks_ + 1) : 0;
  if (full_blocks_ == full_blocks_to_bulk) enter_bulk();
  if (may_read() && held_.empty()) return received(std::move(bytes));
  hold(bytes.view());
  cancel_receive();
}

// Copies: the kernel's block goes home, and the pieces of a burst are delivered as one.
void UringStream::hold(std::string_view bytes) {
  if (held_.empty() || held_.last()->bytes.tail_room() < bytes.size()) {
    held_.push(loop_.memory(), loop_.memory().blocks.take(held_.empty() ? 2 * bytes.size() : most_held_piece));
  }
  Buffer& last = held_.last()->bytes;
  std::memcpy(last.data() + last.size(), bytes.data(), bytes.size());
  last.extend(bytes.size());
}

void UringStream::flush() {
  if ((operations_ & bit(Operation::send)) != 0 || !may_send()) return;
  bool is_blocked = false;
  if (output_.size() >= plain_send_from_bytes) {
    while (!output_.empty()) {
      iovec pieces[Ring::Scratch::most_pieces];
      const Output::Gathered gathered = output_.gather(pieces);
      const ssize_t count = send_at_once(std::span(pieces, gathered.pieces));
      if (count < 0 && count != -EAGAIN) return send_failed(static_cast<int>(-count));
      if (count > 0) sent(static_cast<std::size_t>(count));
      is_blocked = count < static_cast<ssize_t>(gathered.bytes);
      if (is_blocked) break;
    }
  }
  output_.empty() ? drained() : submit_send(is_blocked);
}

void UringStream::submit_send(bool is_blocked) {
  io_uring_sqe& submission = submit(Operation::send, IORING_OP_SEND);
  Ring::Scratch& scratch = uring_.ring().scratch_of(submission);
  const Output::Gathered gathered = output_.gather(scratch.pieces);
  sending_bytes_ = gathered.bytes;
  submission.msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
  submission.ioprio = is_blocked ? IORING_RECVSEND_POLL_FIRST : 0;  // trying at once would be in vain
  if (gathered.pieces == 1) {
    submission.addr = reinterpret_cast<std::uint64_t>(scratch.pieces[0].iov_base);
    submission.len = static_cast<std::uint32_t>(scratch.pieces[0].iov_len);
  } else {
    scratch.message = {};
    scratch.message.msg_iov = scratch.pieces;
    scratch.message.msg_iovlen = gathered.pieces;
    submission.opcode = IORING_OP_SENDMSG;
    submission.addr = reinterpret_cast<std::uint64_t>(&scratch.message);
    submission.len = 1;
  }
  loop_.tally().sends.add(1);
}

void UringStream::on_sent(int result) {
  if (life_ == Life::dead || life_ == Life::failed) return;
  if (result < 0) return send_failed(-result);
  sent(static_cast<std::size_t>(result));
  loop_.queue_flush(*this);  // the rest, or what happens when all is sent
}

void UringStream::close_descriptor() {
  held_.clear(loop_.memory());
  has_held_end_ = false;
  cancel_receive();
  for (const Operation operation : {Operation::poll, Operation::send, Operation::connect}) {
    if ((operations_ & bit(operation)) != 0) uring_.ring().cancel(tag(operation));
  }
  close_when_still();
}

void UringStream::close_when_still() {
  if (operations_ != 0 || descriptor_ < 0) return;
  if (file_ >= 0) uring_.ring().remove_file(std::exchange(file_, -1));
  ::close(std::exchange(descriptor_, -1));
}

}  // namespace sluice::net
