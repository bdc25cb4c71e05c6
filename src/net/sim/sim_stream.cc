#include "net/sim/sim_stream.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/sim/sim_loop.h"
#include "net/socket_error.h"

namespace sluice::net::sim {

SimStream::SimStream(SimLoop& loop) : SocketStream(loop), sim_(loop) {}

SimStream::~SimStream() { close_descriptor(); }

void SimStream::adopt(int descriptor, const Address& peer) {
  begin(descriptor, peer, nullptr);
  is_readable_ = sim_.network().is_readable(descriptor);
  is_blocked_ = is_reset_wanted_ = false;
  sim_.enroll(descriptor, *this);
}

void SimStream::connect(const Address& to, StreamHandler& handler) {
  Network& network = sim_.network();
  const int descriptor = network.is_exhausted() ? -EMFILE : network.connect(to, sim_);
  begin(std::max(descriptor, -1), to, &handler);
  is_connecting_ = true;
  is_readable_ = is_blocked_ = is_reset_wanted_ = false;
  if (descriptor < 0) return fail_later(error_of(-descriptor));
  sim_.enroll(descriptor, *this);
}

void SimStream::on_event() {
  if (life_ == Life::dead || descriptor_ < 0) return;
  if (is_connecting_) return finish_connecting();
  if (std::exchange(is_blocked_, false)) loop_.queue_flush(*this);
  Network& network = sim_.network();
  if (!network.is_readable(descriptor_)) return;
  is_readable_ = true;
  if (has_ended_ && network.has_error(descriptor_)) {  // reset behind the FIN: no read will tell
    return fail(error_of(network.take_error(descriptor_)));
  }
  continue_reading();
}

void SimStream::finish_connecting() {
  Network& network = sim_.network();
  switch (network.connect_state(descriptor_)) {
    case Network::Connect::pending:
      return;
    case Network::Connect::failed:
      return fail(error_of(network.take_error(descriptor_)));
    case Network::Connect::made:
      is_readable_ = network.is_readable(descriptor_);
      return connected();
  }
}

void SimStream::wake_reading() {
  if (is_broken_) is_readable_ = true;
  if (is_readable_ && may_read()) loop_.queue_ready(*this);
}

void SimStream::continue_reading() {
  if (std::exchange(has_pending_error_, false)) return fail(pending_error_);
  const std::uint64_t reads = 1 + sim_.network().below(most_reads);
  for (std::uint64_t i = 0; i < reads; ++i) {
    if (!is_readable_ || !may_read()) return;
    read_block();
    if (sim_.network().chance(50)) loop_.flush_all();  // as epoll does it, or as io_uring
  }
  if (is_readable_ && may_read()) loop_.queue_ready(*this);
}

void SimStream::read_block() {
  Network& network = sim_.network();
  Buffer block = loop_.memory().blocks.take(network.weather().block_bytes);
  const std::size_t most = std::min<std::size_t>(block.capacity(), network.weather().block_bytes);
  const ssize_t count = network.receive(descriptor_, block.block(), most);
  if (count > 0) {
    loop_.tally().receives.add(1);
    block.set_size(static_cast<std::size_t>(count));
    is_readable_ = network.is_readable(descriptor_);
    network.note_progress();
    return received(std::move(block));
  }
  is_readable_ = false;
  block = Buffer();
  if (count == 0) return ended();
  if (is_broken_) return fail(pending_error_);
  if (count != -EAGAIN) return fail(error_of(static_cast<int>(-count)));
}

void SimStream::flush() {
  if (is_blocked_ || !may_send()) return;
  sim_.note_unsent(output_.size());
  while (!output_.empty()) {
    iovec pieces[16];
    const Output::Gathered gathered = output_.gather(pieces);
    loop_.tally().sends.add(1);
    const ssize_t count = sim_.network().send(descriptor_, std::span(pieces, gathered.pieces));
    if (count < 0 && count != -EAGAIN) return send_failed(static_cast<int>(-count));
    if (count > 0) sent(static_cast<std::size_t>(count));
    if (count < static_cast<ssize_t>(gathered.bytes)) {
      is_blocked_ = true;
      return;
    }
  }
  drained();
}

std::size_t SimStream::unacknowledged_bytes() const {
  return descriptor_ < 0 ? 0 : sim_.network().unacknowledged(descriptor_);
}

void SimStream::shut_down_writing() { sim_.network().shut_down_writing(descriptor_); }

void SimStream::close_descriptor() {
  if (descriptor_ < 0) return;
  sim_.dismiss(descriptor_);
  sim_.network().close_end(std::exchange(descriptor_, -1), is_reset_wanted_);
}

}  // namespace sluice::net::sim
