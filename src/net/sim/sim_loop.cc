#include "net/sim/sim_loop.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/acceptor.h"

namespace sluice::net::sim {

SimLoop::SimLoop(Network& network)
    : SocketLoop(network.now(), network.wall_now(), network.random().next()), network_(network) {
  is_running_ = true;
  network_.add(*this);
}

SimLoop::~SimLoop() { network_.remove(*this); }

StreamPtr SimLoop::connect(const Address& to, StreamHandler& handler) {
  SimStream& stream = streams_.take(*this);
  stream.connect(to, handler);
  return StreamPtr(&stream);
}

StreamPtr SimLoop::adopt(int descriptor, const Address& peer) {
  network_.set_watcher(descriptor, this);
  SimStream& stream = streams_.take(*this);
  stream.adopt(descriptor, peer);
  return StreamPtr(&stream);
}

void SimLoop::watch(SocketAcceptor& acceptor, bool wanted) {
  acceptors_by_descriptor_[acceptor.descriptor()] = &acceptor;
  network_.watch(acceptor.descriptor(), wanted ? this : nullptr);
}

void SimLoop::forget(SocketAcceptor& acceptor) {
  network_.watch(acceptor.descriptor(), nullptr);
  acceptors_by_descriptor_.erase(acceptor.descriptor());
}

int SimLoop::take_connection(int listening, Address& peer) {
  return network_.is_exhausted() ? -EMFILE : network_.accept(listening, peer);
}

void SimLoop::on_ready(int descriptor) {
  if (std::ranges::count(ready_descriptors_, descriptor) == 0) ready_descriptors_.push_back(descriptor);
}

Instant SimLoop::wakes_at() {
  if (!is_running_) return Instant::max();
  if (!ready_descriptors_.empty() || !tasks_.empty() || has_lists()) return Instant::min();
  return wheel_.next_event();
}

void SimLoop::run() {
  is_running_ = true;
  while (is_running_ && network_.step()) {
  }
}

// Events come in any order, and some of them only with the next turn.
void SimLoop::turn() {
  set_clocks(network_.now(), network_.wall_now());
  if (ready_descriptors_.empty() && tasks_.empty() && !has_lists()) network_.note_timer_turn();
  const bool is_mail_first = network_.chance(50);
  if (is_mail_first) run_tasks();
  std::vector<int> batch = std::exchange(ready_descriptors_, {});
  for (std::size_t i = batch.size(); i > 1; --i) std::swap(batch[i - 1], batch[network_.below(i)]);
  const std::size_t handled = batch.empty() ? 0 : 1 + network_.below(batch.size());
  for (std::size_t i = 0; i < handled; ++i) {
    handle(batch[i]);
    flush_all();
  }
  for (std::size_t i = handled; i < batch.size(); ++i) on_ready(batch[i]);
  if (!is_mail_first) run_tasks();
  run_ready();
  run_timers();
  end_turn();
  bury();
}

void SimLoop::handle(int descriptor) {
  if (const auto acceptor = acceptors_by_descriptor_.find(descriptor); acceptor != acceptors_by_descriptor_.end()) {
    acceptor->second->accept_batch();
    if (acceptors_by_descriptor_.contains(descriptor)) network_.remind(descriptor);
    return;
  }
  if (const auto stream = streams_by_descriptor_.find(descriptor); stream != streams_by_descriptor_.end())
    stream->second->on_event();
}

void SimLoop::run_tasks() {
  auto tasks = std::exchange(tasks_, {});
  for (auto& task : tasks) task();
}

}  // namespace sluice::net::sim
