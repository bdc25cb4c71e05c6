#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

void Service::on_signal(int number) {
  if (number == SIGHUP) {
    log_.reopen();
    return reload();
  }
  if (number == SIGUSR1) return log_.reopen();
  if (number == SIGUSR2)
    return say(Level::warning, "SIGUSR2 upgrades, and is for the supervisor: this process does nothing with it");
  if (is_draining_) {
    say(Level::warning, "second signal: connections are cut");
    exit_code_ = exit_drain_cut;
    if (drain_delay_timer_.is_set()) drain();
    return cut();
  }
  // SIGINT is a person at a terminal: no balancer is to be told, and nobody likes to wait.
  if (number == SIGINT || drain_delay_ == Duration::zero()) return drain();
  announce_drain();
}

// Balancers learn from /readyz that we leave, but only when they ask: until then connections go on coming.
void Service::announce_drain() {
  is_draining_ = true;
  say(Level::info, fmt::format("not ready any more, serving for another {} ms (drain_delay)",
                               std::chrono::duration_cast<std::chrono::milliseconds>(drain_delay_).count()));
  for (WorkerThread& entry : workers_) entry.worker->post([&worker = *entry.worker] { worker.announce_drain(); });
  if (link_ != nullptr)
    link_->say(fmt::format(
        "draining {}", std::chrono::duration_cast<std::chrono::milliseconds>(drain_delay_ + drain_timeout_).count()));
  loop_->set_timer(drain_delay_timer_, drain_delay_);
}

void Service::drain(Duration silent_patience, bool is_replaced) {
  is_draining_ = true;
  drain_delay_timer_.cancel();
  undrained_ = static_cast<unsigned>(workers_.size());
  const auto timeout_ms = std::chrono::duration_cast<std::chrono::milliseconds>(drain_timeout_).count();
  say(Level::info, fmt::format("draining for at most {} ms", timeout_ms));
  if (link_ != nullptr) link_->say(fmt::format("draining {}", timeout_ms));
  std::vector<std::string> keys;
  for (const OpenListener& listener : listeners_) keys.push_back(listener.key);
  sockets_->release(keys);
  for (WorkerThread& entry : workers_)
    entry.worker->post([&worker = *entry.worker, silent_patience, is_replaced] {
      worker.drain(silent_patience, is_replaced);
    });
  loop_->set_timer(drain_timer_, drain_timeout_);
}

void Service::on_drain_timeout() {
  exit_code_ = exit_drain_cut;
  cut();
}

void Service::cut() {
  for (WorkerThread& entry : workers_) entry.worker->post([&worker = *entry.worker] { worker.close_all(); });
  loop_->set_timer(cut_timer_, std::chrono::seconds(5));
}

// A worker that stands still cannot be cut, and cannot be waited for.
void Service::on_cut_timeout() {
  say(Level::error, "a worker does not answer: the process ends without it");
  ::_exit(exit_drain_cut);
}

void Service::on_worker_drained() {
  if (--undrained_ == 0) loop_->stop();
}

void Service::stop_threads() {
  watcher_.reset();
  watchdog_.reset();
  link_.reset();
  for (WorkerThread& entry : workers_) {
    if (!entry.thread.joinable()) continue;
    entry.worker->post([&worker = *entry.worker] { worker.stop(); });
    entry.thread.join();
  }
  log_.stop();
  admin_.reset();
  workers_.clear();
}

}  // namespace sluice::control
