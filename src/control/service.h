#pragma once
// The running gateway: starts the workers, publishes plans, reloads, drains. Lives on the control thread, which is the
// main thread; other threads reach it by post().

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "control/admin.h"
#include "control/loader.h"
#include "control/log_writer.h"
#include "control/prometheus.h"
#include "control/watcher.h"
#include "gateway/worker.h"
#include "net/loop.h"

namespace sluice::control {

struct ServiceOptions {
  std::string config_path;
  unsigned workers = 1;
  net::LoopKind loop = net::LoopKind::epoll;
  std::string version;
};

// Exit codes of `sluice`, documented in docs/operations.md.
enum ExitCode : int { exit_ok = 0, exit_config = 1, exit_usage = 2, exit_start = 3, exit_drain_cut = 4 };

// Every cause that any room or policy kind can give.
gateway::CauseTable all_causes();

class Service {
 public:
  explicit Service(ServiceOptions options);
  ~Service();

  // Runs until a signal ends it. Returns the exit code. What goes wrong has been said.
  int run();

 private:
  struct WorkerThread {
    std::unique_ptr<gateway::Worker> worker;
    std::thread thread;
  };
  // A listening address, as the workers have it.
  struct OpenListener {
    std::string name;
    net::Address configured;
    net::Address bound;  // with the port the kernel chose
  };

  // ---- start, one step a function: service_start.cc
  bool load_first();
  bool make_workers();
  void start_threads();
  void announce() const;

  // ---- what a config needs from the system: service_prepare.cc
  using Sockets = std::vector<std::vector<gateway::Worker::NewSocket>>;  // by worker
  struct Prepared {
    Sockets sockets;                         // of listeners that are new or moved
    std::vector<OpenListener> listeners;     // all there will be
    std::optional<net::ListenSocket> admin;  // when it is new or moved
  };
  // Opens all that `config` adds or moves. Absent, with nothing changed, when one thing cannot be had: that was said.
  std::optional<Prepared> prepare(const gateway::RootConfig& config);
  bool open_listener(const gateway::ListenerConfig& listener, Prepared& prepared) const;
  bool open_admin(const gateway::BindAddress& bind, Prepared& prepared) const;
  bool use_log(const std::string& to);

  // ---- reload: service_reload.cc
  void reload();
  void accept(Loaded loaded, Prepared prepared);
  void publish(Sockets sockets);
  void on_published(std::uint64_t generation);
  void refuse(const config::Diagnostics& diagnostics);

  // ---- the end: service_drain.cc
  void on_signal(int number);
  void drain();
  void on_worker_drained();
  void cut();
  void on_drain_timeout();
  void stop_threads();

  // ---- metrics: service_metrics.cc
  std::string metrics_text();

  ServiceOptions options_;
  gateway::CauseTable causes_;
  gateway::Kept kept_;
  LogWriter log_;
  std::unique_ptr<net::Loop> loop_;  // the control thread's; its port: admin
  std::vector<WorkerThread> workers_;
  std::vector<OpenListener> listeners_;
  std::shared_ptr<const gateway::Plan> plan_;
  std::unique_ptr<AdminServer> admin_;
  net::Address admin_configured_, admin_bound_;
  std::unique_ptr<Watcher> watcher_;
  net::Timer drain_timer_;
  std::string text_;  // of the config file in force or last refused: an equal one does nothing
  std::string log_target_;
  Duration drain_timeout_{};
  std::uint64_t generation_ = 0;
  Instant reload_started_{};
  unsigned unpublished_ = 0;  // workers that do not have the newest plan yet
  unsigned undrained_ = 0;
  bool is_draining_ = false;
  ConfigSnapshot config_;
  int exit_code_ = exit_ok;
};

}  // namespace sluice::control
