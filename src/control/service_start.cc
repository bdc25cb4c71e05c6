#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>

#include "control/journal.h"
#include "control/machine.h"
#include "control/service.h"
#include "gateway/causes.h"
#include "http/causes.h"
#include "policy/kind.h"

namespace sluice::control {

gateway::CauseTable all_causes() {
  std::vector<std::span<const Cause* const>> lists{http::causes(), gateway::causes()};
  for (const policy::Kind* kind : policy::kinds()) lists.push_back(kind->causes);
  return gateway::CauseTable(lists);
}

Service::Service(ServiceOptions options, std::unique_ptr<SupervisorLink> link)
    : options_(std::move(options)),
      causes_(all_causes()),
      kept_(options_.workers, causes_),
      link_(std::move(link)),
      sockets_(link_ != nullptr ? static_cast<SocketSource*>(link_.get()) : &own_sockets_),
      drain_timer_(net::Timer::of<&Service::on_drain_timeout>(this)),
      drain_delay_timer_(net::Timer::of<&Service::on_drain_delay_over>(this)),
      cut_timer_(net::Timer::of<&Service::on_cut_timeout>(this)),
      proven_timer_(net::Timer::of<&Service::on_proven>(this)),
      sweep_timer_(net::Timer::of<&Service::sweep_plans>(this)),
      expiry_timer_(net::Timer::of<&Service::warn_of_expiry>(this)),
      ticket_timer_(net::Timer::of<&Service::rotate_tickets>(this)),
      look_timer_(net::Timer::of<&Service::look_at_files>(this)) {
  if (!options_.state_folder.empty()) last_good_.emplace(options_.state_folder, options_.config_path);
}

Service::~Service() { stop_threads(); }

int Service::run() {
  Watcher::block_signals();
  auto loop = net::make_loop(net::LoopKind::epoll);  // the control thread is idle: epoll does
  if (!loop) {
    say(Level::error, fmt::format("cannot make the control loop: {}", loop.error().what));
    return exit_start;
  }
  loop_ = std::move(*loop);
  fetcher_ = std::make_unique<Fetcher>(*loop_);
  stapler_ = std::make_unique<Stapler>(*loop_, *fetcher_, options_.state_folder, say);
  forbid_new_privileges();
  raise_descriptor_limit();
  kept_.machine = read_machine();
  const auto order = meet_supervisor();
  if (!order) return exit_start;
  if (!make_workers()) return exit_start;
  if (!load_first(*order)) return exit_code_;
  start_threads();
  announce();
  loop_->run();
  stop_threads();
  say(Level::info, exit_code_ == exit_ok ? "stopped" : "stopped; exchanges were cut at the drain timeout");
  return exit_code_;
}

bool Service::make_workers() {
  for (unsigned number = 0; number < options_.workers; ++number) {
    auto loop = net::make_loop(options_.loop);
    if (!loop) {
      say(Level::error,
          fmt::format("cannot make a worker's loop: {}; `--loop epoll` works everywhere", loop.error().what));
      return false;
    }
    const auto drained = [this] { loop_->post([this] { on_worker_drained(); }); };
    const auto tell = [this](std::string line) {  // from here, for a terminal may make who writes to it wait
      loop_->post([line = std::move(line)] { say(Level::info, line); });
    };
    workers_.push_back(
        {std::make_unique<gateway::Worker>(number, std::move(*loop), causes_, log_.add_ring(), drained, tell),
         std::make_unique<std::atomic<pid_t>>(0),
         {}});
  }
  return true;
}

void Service::start_threads() {
  log_.start();
  for (WorkerThread& entry : workers_)
    entry.thread = std::thread([&worker = *entry.worker, &id = *entry.id] {
      id = ::gettid();
      ::pthread_setname_np(::pthread_self(), fmt::format("worker-{}", worker.number()).c_str());
      worker.run();
    });
  start_watchdog();
  watcher_ = std::make_unique<Watcher>(
      options_.config_path, [this](int number) { loop_->post([this, number] { on_signal(number); }); },
      [this] { loop_->post([this] { reload(); }); }, [this] { loop_->post([this] { refresh_files(); }); });
  watch_tls_files();
  watch_policy_files();
  if (!watcher_->watches_file())
    say(Level::warning, "the config's folder cannot be watched: a change needs SIGHUP to be noticed");
  // This thread alone, and last, for threads inherit it: a large config compiles in what time the workers leave it.
  constexpr int niceness = 10;
  (void)setpriority(PRIO_PROCESS, 0, niceness);
}

void Service::start_watchdog() {
  std::vector<Watchdog::Subject> subjects;
  for (WorkerThread& entry : workers_)
    subjects.push_back({.name = fmt::format("worker {}", entry.worker->number()),
                        .counters = [&worker = *entry.worker] { return worker.loop_counters(); },
                        .waited_for_processor = [&id = *entry.id] { return read_wait_for_processor(id); },
                        .thread = entry.thread.native_handle()});
  watchdog_ =
      std::make_unique<Watchdog>(std::move(subjects),
                                 Watchdog::Events{.report = [](const std::string& text) { say(Level::warning, text); },
                                                  .on_stuck = [this](const std::string& worker) { on_stuck(worker); }},
                                 Watchdog::Settings{});
  watchdog_->start();
}

// On the watchdog's thread. A thread cannot be replaced without leaving broken what it was at: the process is.
void Service::on_stuck(const std::string& worker) {
  if (link_ != nullptr) return link_->say(fmt::format("replace {} has not turned its loop for 2 s", worker));
  say(Level::error,
      fmt::format("{} has not turned its loop for 2 s, and there is no supervisor to replace the process: "
                  "it ends itself",
                  worker));
  std::abort();
}

void Service::announce() const {
  say(Level::info, fmt::format("sluice {} with {} worker{} on {}; config {}", options_.version, workers_.size(),
                               workers_.size() == 1 ? "" : "s",
                               options_.loop == net::LoopKind::uring ? "io_uring" : "epoll", options_.config_path));
  for (const OpenListener& listener : listeners_) {
    const gateway::ListenerPlan* const plan = plan_->find_listener(listener.name);
    say(Level::info, fmt::format("listener {} on {}://{}", listener.name,
                                 plan != nullptr && plan->tls != nullptr ? "https" : "http", listener.bound.text()));
  }
  say(Level::info, fmt::format("admin on http://{}", admin_bound_.text()));
}

}  // namespace sluice::control
