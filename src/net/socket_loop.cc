#include "net/socket_loop.h"

#include <algorithm>

#include "base/clock.h"
#include "net/acceptor.h"
#include "net/socket_stream.h"

namespace sluice::net {

SocketLoop::SocketLoop() : SocketLoop(read_steady_clock(), read_coarse_wall_clock(), kernel_random()) {}

SocketLoop::SocketLoop(Instant now, WallTime wall_now, std::uint64_t seed)
    : wheel_(now), now_(now), wall_now_(wall_now), random_(seed) {
  // Enough that a busy turn of a loaded worker does not grow them.
  for (auto* list : {&to_flush_, &ready_, &running_, &to_bury_}) list->reserve(1024);
}

// What is still deferred are streams that were let go.
SocketLoop::~SocketLoop() { run_deferred(); }

void SocketLoop::read_clocks() { set_clocks(read_steady_clock(), read_coarse_wall_clock()); }

void SocketLoop::set_clocks(Instant now, WallTime wall_now) {
  now_ = now;
  wall_now_ = wall_now;
  tallies_.turns.add(1);
  tallies_.is_waiting.store(false, std::memory_order_relaxed);
}

Loop::Counters SocketLoop::counters() const {
  const Tallies& t = tallies_;
  return {t.turns.read(),         t.received_bytes.read(), t.sent_bytes.read(),
          t.receives.read(),      t.sends.read(),          t.accepts.read(),
          t.accept_errors.read(), t.connects.read(),       t.is_waiting.load(std::memory_order_relaxed)};
}

void SocketLoop::queue_flush(SocketStream& stream) {
  if (std::exchange(stream.is_in_flush_list_, true)) return;
  to_flush_.push_back(&stream);
}

void SocketLoop::queue_ready(SocketStream& stream) {
  if (std::exchange(stream.is_in_ready_list_, true)) return;
  ready_.push_back(&stream);
}

void SocketLoop::defer(Deferred& work) {
  if (std::exchange(work.is_deferred_, true)) return;
  deferred_.push_back(&work);
}

void SocketLoop::run_deferred() {
  for (std::size_t i = 0; i < deferred_.size(); ++i) {  // grows meanwhile
    deferred_[i]->is_deferred_ = false;
    deferred_[i]->run_deferred();
  }
  deferred_.clear();
}

void SocketLoop::queue_burial(SocketStream& stream) { to_bury_.push_back(&stream); }

// Whose lingering ended by itself is dropped from the front; one that lingers anew meanwhile stands here twice, which
// does no harm. Streams are pooled, so no pointer here is ever stale.
void SocketLoop::note_lingering(SocketStream& stream) {
  while (!lingering_.empty() && !lingering_.front()->is_lingering()) lingering_.pop_front();
  lingering_.push_back(&stream);
}

std::size_t SocketLoop::close_lingering(std::size_t most) {
  std::size_t closed = 0;
  for (; closed < most && !lingering_.empty(); lingering_.pop_front()) {
    if (!lingering_.front()->is_lingering()) continue;
    lingering_.front()->stop_lingering();
    ++closed;
  }
  return closed;
}

void SocketLoop::flush_all() {
  do {
    if (!deferred_.empty()) run_deferred();
    for (std::size_t i = 0; i < to_flush_.size(); ++i) {  // grows meanwhile: callbacks write
      SocketStream& stream = *to_flush_[i];
      stream.is_in_flush_list_ = false;
      if (!stream.is_dead()) stream.flush();
    }
    to_flush_.clear();
  } while (!deferred_.empty());
}

void SocketLoop::run_ready() {
  std::swap(ready_, running_);
  for (SocketStream* const stream : running_) {
    stream->is_in_ready_list_ = false;
    if (!stream->is_dead()) stream->take_up();
  }
  running_.clear();
}

void SocketLoop::bury() {
  std::erase_if(to_bury_, [this](SocketStream* stream) {
    if (stream->is_in_ready_list_ || stream->is_in_flush_list_ || !stream->is_still()) return false;
    stream->bury();
    recycle(*stream);
    return true;
  });
}

bool SocketLoop::may_wait() {
  if (has_lists() || wheel_.has_due() || !is_running_) return false;
  alarm_.set(wheel_.next_event());
  tallies_.is_waiting.store(true, std::memory_order_relaxed);
  return true;
}

std::unique_ptr<Acceptor> SocketLoop::accept_from(ListenSocket socket, AcceptHandler& handler) {
  return std::make_unique<SocketAcceptor>(*this, std::move(socket), handler);
}

void SocketLoop::pause_accepting(bool paused) {
  if (std::exchange(is_accepting_paused_, paused) == paused) return;
  for (SocketAcceptor* const acceptor : acceptors_) acceptor->update_watch();
}

}  // namespace sluice::net
