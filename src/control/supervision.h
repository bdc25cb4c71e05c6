#pragma once
// What the supervisor decides: when a gateway process is started, replaced, killed, and with which config. Pure: told
// of events with the time, it acts through SupervisorHands. So every story can be told in a unit test.
//
// The current process serves. A successor (an upgrade, or a replacement of one that is stuck) is started beside it, and
// only when it is ready the current one becomes a predecessor, which drains and ends.

#include <csignal>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "control/descriptor.h"
#include "control/journal.h"

namespace sluice::control {

enum class Binary : std::uint8_t { same, on_disk };
enum class ConfigChoice : std::uint8_t {
  file,          // the config file; with errors in it the process does not start
  file_or_kept,  // the config file; when it cannot be used, the text that was in force before
  kept,          // the text handed over, not the file
  stored,        // the last good config on disk, not the file
};

// A config's text as a memory file, and what tells it from others.
struct KeptConfig {
  std::string hash;
  std::shared_ptr<const Descriptor> file;  // never empty when there is one
  explicit operator bool() const { return file != nullptr; }
};

struct StartOrder {
  Binary binary = Binary::same;
  ConfigChoice choice = ConfigChoice::file;
  KeptConfig kept;
  std::string reason;  // why not the file, for the log
};

// How a process ended.
struct ProcessEnd {
  bool is_by_signal = false;
  int value = 0;  // the signal, or the exit code
  std::string text() const;
};

struct SupervisorCounts {
  std::uint64_t crashes = 0;   // gateway processes that died by themselves
  std::uint64_t stuck = 0;     // that were killed or replaced because they stood still
  std::uint64_t upgrades = 0;  // done
  std::uint64_t failed_upgrades = 0;
};

class SupervisorHands {
 public:
  // errors: why no process could be made
  virtual std::expected<int, std::string> start(const StartOrder& order) = 0;
  virtual void signal(int process, int number) = 0;
  virtual void tell(int process, std::string_view message) = 0;
  virtual bool is_stopped(int process) = 0;  // by SIGSTOP or a debugger
  virtual void report(Level level, std::string text) = 0;
  virtual void serves(int process) = 0;  // it is the one that serves now, and all that it needs it has asked for
  // The new binary's gateway process serves: the supervisor becomes that binary too. Returns when it could not.
  virtual void become_new_binary() = 0;
  virtual void upgrade_failed(std::string_view why) = 0;  // tells who asked for it
  virtual std::uint32_t random() = 0;

 protected:
  ~SupervisorHands() = default;
};

struct SupervisionSettings {
  Duration proven_after = std::chrono::seconds(30);  // then a config that has not crashed is good
  bool may_use_stored = false;                       // --fallback-to-last-good
};

// ---- what is handed over to the supervisor of a new binary

enum class Role : std::uint8_t { current, successor, predecessor };
struct GatewayProcess {
  int id = 0;
  Role role = Role::current;
  ConfigChoice choice = ConfigChoice::file;
  bool is_upgrade = false;
  bool is_ready = false;
  bool has_spoken = false;
  bool was_killed = false;  // by the supervisor, because it stood still
  Instant started_at{};
  Instant heard_at{};
  Instant ends_by = Instant::max();  // killed then
  KeptConfig announced;              // of a successor: in force when it serves
};
struct SupervisionState {
  std::vector<GatewayProcess> processes;
  KeptConfig active;  // in force, or the last that was
  KeptConfig good;    // the last that was proven
  Instant active_since{};
  bool is_active_proven = false;
  bool has_fallen_back = false;  // the active one is not what the file says, for the file's one crashes
  std::string fallback_reason;
  unsigned young_crashes = 0;  // in a row: before they served, or of a config that is not proven
  bool was_ever_ready = false;
  std::vector<Instant> crashes;  // of the last minute
  std::optional<Instant> start_at;
  Instant crashed_at{};
  SupervisorCounts counts;
};

class Supervision {
 public:
  static constexpr unsigned crashes_until_fallback = 3;
  static constexpr unsigned crashes_at_once = 5;  // in a minute; from then on the next start waits
  static constexpr Duration first_delay = std::chrono::milliseconds(100);
  static constexpr Duration longest_delay = std::chrono::seconds(5);
  static constexpr Duration stopped_patience = std::chrono::milliseconds(2500);
  static constexpr Duration silent_patience = std::chrono::seconds(10);  // a machine may be very busy
  static constexpr Duration ready_patience = std::chrono::seconds(60);   // of a successor
  static constexpr Duration end_patience = std::chrono::seconds(10);     // past what a draining process asked for

  Supervision(SupervisorHands& hands, SupervisionSettings settings) : hands_(hands), settings_(settings) {}

  void begin(Instant now) { start_current(now); }
  void resume(SupervisionState state, Instant now);
  const SupervisionState& state() const { return state_; }

  // ---- what a gateway process says: supervision_messages.cc. Texts as in channel.h
  void on_message(int process, std::string_view text, Descriptor file, Instant now);
  // ---- what else happens
  void on_end(int process, const ProcessEnd& end, Instant now);
  void on_signal(int number, Instant now);
  void on_time(Instant now);
  Instant next_deadline() const;

  bool is_over() const { return is_over_; }
  int exit_code() const { return exit_code_; }
  bool serves() const;  // a process is ready and current

 private:
  GatewayProcess* find(int id);
  GatewayProcess* find(Role role);

  void start_current(Instant now);
  bool start(const StartOrder& order, Role role, Instant now);
  void start_successor(bool is_upgrade, Instant now);
  const char* why_no_upgrade() const;  // null: one may begin
  StartOrder order_for_restart() const;
  void on_ready(GatewayProcess& process, Instant now);
  void on_active(KeptConfig config, Instant now);
  void on_proven();
  void tell_counts(const GatewayProcess& process);

  // ---- supervision_crash.cc
  void on_crash(const GatewayProcess& process, const ProcessEnd& end, Instant now);
  void on_successor_end(const GatewayProcess& process, const ProcessEnd& end, Instant now);
  void consider_fallback(const GatewayProcess& process);
  void fall_back(const KeptConfig& to, std::string reason);
  Duration restart_delay();

  void check_silence(GatewayProcess& process, Instant now);
  void kill(GatewayProcess& process, std::string why);
  void stop(int signal_number);
  void finish(int code);

  SupervisorHands& hands_;
  SupervisionSettings settings_;
  SupervisionState state_;
  Instant looked_at_ = Instant::min();
  bool is_stopping_ = false;
  bool is_over_ = false;
  int exit_code_ = 0;
};

}  // namespace sluice::control
