#include <fmt/format.h>
#include <signal.h>

#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

void Service::on_signal(int number) {
  if (number == SIGHUP) {
    log_.reopen();
    return reload();
  }
  if (is_draining_) {
    say(Level::warning, "second signal: connections are cut");
    exit_code_ = exit_drain_cut;
    return cut();
  }
  drain();
}

void Service::drain() {
  is_draining_ = true;
  undrained_ = static_cast<unsigned>(workers_.size());
  say(Level::info, fmt::format("draining for at most {} ms",
                               std::chrono::duration_cast<std::chrono::milliseconds>(drain_timeout_).count()));
  for (WorkerThread& entry : workers_) entry.worker->post([&worker = *entry.worker] { worker.drain(); });
  loop_->set_timer(drain_timer_, drain_timeout_);
}

void Service::on_drain_timeout() {
  exit_code_ = exit_drain_cut;
  cut();
}

void Service::cut() {
  for (WorkerThread& entry : workers_) entry.worker->post([&worker = *entry.worker] { worker.close_all(); });
}

void Service::on_worker_drained() {
  if (--undrained_ == 0) loop_->stop();
}

void Service::stop_threads() {
  watcher_.reset();
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
