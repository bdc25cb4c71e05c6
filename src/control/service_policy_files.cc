// Files from which policies have values that change while plans stay (policy/state_store.h): they are watched, and a
// value that was replaced is let go once no worker can be reading it.

#include <fmt/format.h>

#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

void Service::refresh_files() {
  refresh_tls_files();
  refresh_policy_files();
}

// What the watch does not see: a file system that tells of no changes. Certificates whose size and times are as before
// are not read.
void Service::look_at_files() {
  loop_->set_timer(look_timer_, slow_look);
  refresh_files();
}

void Service::watch_policy_files() {
  if (watcher_ == nullptr || plan_ == nullptr) return;
  for (const auto& source : kept_.policies.sources())
    for (const std::string& file : source->files())
      if (watched_policy_files_.insert(file).second && !watcher_->watch_also(file))
        say(Level::warning,
            fmt::format("the folder of {} cannot be watched: a change of it needs SIGHUP to be noticed", file));
  if (!watched_policy_files_.empty() && !look_timer_.is_set()) loop_->set_timer(look_timer_, slow_look);
}

void Service::refresh_policy_files() {
  if (is_draining_ || plan_ == nullptr) return;
  for (const auto& source : kept_.policies.sources()) {
    std::shared_ptr<const void> retired;
    const auto done = source->refresh(retired);
    const std::string& about = source->name();
    if (!done) {
      if (std::exchange(policy_file_faults_[about], done.error()) == done.error()) continue;
      ++policy_files_refused_;
      say(Level::error, fmt::format("{}; what it held before stays in force", done.error()));
      continue;
    }
    policy_file_faults_.erase(about);
    if (!*done) continue;
    kept_.policies.retire(std::move(retired));
    say(Level::info, fmt::format("{}: what it now holds is in force", about));
  }
  release_retired();
}

// A task in a worker's mailbox runs between calls of policies: when every worker has run one, none reads the old value.
void Service::release_retired() {
  auto retired = std::make_shared<const std::vector<std::shared_ptr<const void>>>(kept_.policies.take_retired());
  if (retired->empty()) return;
  for (const WorkerThread& entry : workers_)
    entry.worker->post([this, retired]() mutable { loop_->post([kept = std::move(retired)] {}); });
}

}  // namespace sluice::control
