#pragma once
// The running gateway: starts the workers, publishes plans, reloads, drains. Lives on the control thread, which is the
// main thread; other threads reach it by post().

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "control/admin.h"
#include "control/exit_code.h"
#include "control/last_good.h"
#include "control/live_plans.h"
#include "control/loader.h"
#include "control/log_writer.h"
#include "control/privileges.h"
#include "control/prometheus.h"
#include "control/socket_source.h"
#include "control/stapler.h"
#include "control/supervisor_link.h"
#include "control/watchdog.h"
#include "control/watcher.h"
#include "gateway/worker.h"
#include "net/loop.h"

namespace sluice::control {

struct ServiceOptions {
  std::string config_path;
  unsigned workers = 1;
  net::LoopKind loop = net::LoopKind::epoll;
  std::string version;
  std::string state_folder;    // "": nothing is kept over restarts
  bool may_fall_back = false;  // --fallback-to-last-good
  std::chrono::seconds proven_after{30};
};

// Every cause that any room or policy kind can give.
gateway::CauseTable all_causes();

class Service {
 public:
  // `link` leads to the supervisor; without one the process is its own master.
  Service(ServiceOptions options, std::unique_ptr<SupervisorLink> link);
  ~Service();

  // Runs until a signal ends it. Returns the exit code. What goes wrong has been said.
  int run();

 private:
  struct WorkerThread {
    std::unique_ptr<gateway::Worker> worker;
    std::unique_ptr<std::atomic<pid_t>> id;  // the kernel's, of the thread; 0 before it runs
    std::thread thread;
  };
  // A listening address, as the workers have it.
  struct OpenListener {
    std::string name;
    net::Address configured;
    net::Address bound;  // with the port the kernel chose
    std::string key;     // of its sockets
  };

  // ---- start, one step a function: service_start.cc, service_load.cc
  bool make_workers();
  bool load_first(const SupervisorLink::Order& order);
  std::optional<Loaded> load_ordered(const SupervisorLink::Order& order);
  std::optional<Loaded> load_other(const std::string& text, std::string_view reason);
  std::optional<Loaded> load_stored(std::string_view reason);
  // What only root may do has been done: service_rights.cc
  bool drop_rights(const gateway::RootConfig& config);
  void check_descriptors(const gateway::Plan& plan) const;
  void prepare_state_folder(const std::optional<Identity>& identity);
  void start_threads();
  void start_watchdog();
  void on_stuck(const std::string& worker);
  void announce() const;

  // ---- what a config needs from the system: service_prepare.cc
  using Sockets = std::vector<std::vector<gateway::Worker::NewSocket>>;  // by worker
  struct Prepared {
    Sockets sockets;                         // of listeners that are new or moved
    std::vector<OpenListener> listeners;     // all there will be
    std::optional<net::ListenSocket> admin;  // when it is new or moved
    std::vector<std::string> opened;         // keys of what was opened
  };
  // Opens all that `config` adds or moves. Absent, with nothing changed, when one thing cannot be had: that was said.
  std::optional<Prepared> prepare(const gateway::RootConfig& config);
  bool prepare_into(const gateway::RootConfig& config, Prepared& prepared);
  bool open_listener(const gateway::ListenerConfig& listener, Prepared& prepared) const;
  bool open_admin(const gateway::BindAddress& bind, Prepared& prepared) const;
  std::expected<std::vector<net::ListenSocket>, std::string> open_patiently(const SocketWish& wish) const;
  void release_removed(const Prepared& prepared);
  static std::string socket_key(std::string_view name, const net::Address& address);
  bool use_log(const std::string& to);

  // ---- reload: service_reload.cc
  void reload();
  void accept(Loaded loaded, Prepared prepared);
  void open_admin_server(net::ListenSocket socket);
  void publish(Sockets sockets);
  void on_published(std::uint64_t generation);
  void sweep_plans();
  void refuse(const config::Diagnostics& diagnostics);

  // ---- files behind TLS, when they change: service_tls_files.cc
  void watch_tls_files();
  std::set<std::string> tls_files() const;
  void refresh_tls_files();
  bool refresh_certificates(const gateway::ListenerPlan& listener);
  bool refresh_trust(const gateway::ListenerPlan& listener);
  bool refresh_credentials(const gateway::KeptTls::ToUpstream& to);
  void refresh_ticket_keys(const std::string& file, net::tls::TicketKeys& keys);
  struct TlsUser {     // of a certificate
    std::string name;  // "listener public"
    net::tls::CertificateUse use;
    ssl_ctx_st* context;
  };
  std::shared_ptr<const net::tls::Certificate> refreshed(const std::shared_ptr<const net::tls::Certificate>& old,
                                                         const TlsUser& user);
  std::shared_ptr<const net::tls::Certificate> refreshed_pair(const std::shared_ptr<const net::tls::Certificate>& old,
                                                              const TlsUser& user);
  void refresh_staple(const net::tls::Certificate& certificate, std::string_view whose);
  std::shared_ptr<const net::tls::Trust> refreshed(const std::shared_ptr<const net::tls::Trust>& old,
                                                   std::string_view whose);
  void refuse_file(const std::string& about, std::string_view whose, const std::string& what, std::string_view kept);

  // ---- files behind policies: service_policy_files.cc
  void watch_policy_files();
  void refresh_policy_files();
  void release_retired();
  // All files, when one of them may have changed, and once in a while.
  static constexpr Duration slow_look = std::chrono::minutes(1);
  void refresh_files();
  void look_at_files();

  // ---- TLS in time: service_tls.cc
  void warn_of_expiry();
  void rotate_tickets();
  void ask_for_staples();
  std::vector<CertificateSnapshot> certificates() const;
  std::vector<ExpirySnapshot> upstream_certificates() const;
  std::vector<ExpirySnapshot> revocation_lists() const;

  // ---- the end: service_drain.cc
  void on_signal(int number);
  void announce_drain();
  void on_drain_delay_over() { drain(); }
  void drain(Duration silent_patience = gateway::Worker::silent_patience, bool is_replaced = false);
  void on_worker_drained();
  void cut();
  void on_drain_timeout();
  void on_cut_timeout();
  void stop_threads();

  // ---- the supervisor: service_supervisor.cc
  std::optional<SupervisorLink::Order> meet_supervisor();
  void on_supervisor(std::string_view text);
  void on_supervisor_lost();
  void read_counts(std::string_view text);
  void tell_supervisor_ready();
  void on_active();
  void on_proven();

  // ---- metrics: service_metrics.cc
  std::string metrics_text();

  ServiceOptions options_;
  gateway::CauseTable causes_;
  gateway::Kept kept_;
  LogWriter log_;
  std::unique_ptr<net::Loop> loop_;       // the control thread's; its port: admin
  std::unique_ptr<SupervisorLink> link_;  // may be null
  std::unique_ptr<Fetcher> fetcher_;
  std::unique_ptr<Stapler> stapler_;  // uses fetcher_
  OwnSockets own_sockets_;
  SocketSource* sockets_;
  std::vector<WorkerThread> workers_;
  std::vector<OpenListener> listeners_;
  std::shared_ptr<const gateway::Plan> plan_;
  LivePlans plans_;
  std::unique_ptr<AdminServer> admin_;
  net::Address admin_configured_, admin_bound_;
  std::unique_ptr<Watcher> watcher_;
  std::unique_ptr<Watchdog> watchdog_;
  std::string user_, group_;  // as the config said at the start
  net::Timer drain_timer_, drain_delay_timer_, cut_timer_, proven_timer_, sweep_timer_, expiry_timer_, ticket_timer_,
      look_timer_;
  std::set<std::string> watched_tls_files_, watched_policy_files_;
  std::map<std::string, std::string> policy_file_faults_;  // by the file: what was said of it
  std::uint64_t policy_files_refused_ = 0;
  std::map<std::string, std::string> tls_faults_;  // by the files: what was said of those that are refused
  std::uint64_t certificates_refused_ = 0;
  std::optional<LastGood> last_good_;  // absent without a state folder
  std::string text_;         // of the config file as it was read last, in force or refused: an equal one does nothing
  std::string active_text_;  // of the config in force
  std::string fallback_reason_;  // why that is not what the file says; else empty
  SupervisorCounts counts_;
  std::string log_target_;
  Duration drain_timeout_{}, drain_delay_{};
  std::uint64_t generation_ = 0;
  Instant reload_started_{};
  unsigned unpublished_ = 0;  // workers that do not have the newest plan yet
  unsigned undrained_ = 0;
  bool is_draining_ = false;
  ConfigSnapshot config_;
  int exit_code_ = exit_ok;
};

}  // namespace sluice::control
