#include <fmt/format.h>
#include <signal.h>
#include <string.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <thread>

#include "app/commands.h"
#include "base/clock.h"
#include "control/exit_code.h"
#include "control/supervision.h"
#include "control/supervisor_search.h"
#include "control/upgrade_outcomes.h"

namespace sluice::app {

namespace {

int complain(const std::string& what) {
  std::fprintf(stderr, "sluice: %s\n", what.c_str());
  return control::exit_usage;
}

int fail(const std::string& why) {
  std::fprintf(stderr, "sluice: the upgrade failed: %s; the log of the gateway says more\n", why.c_str());
  return control::exit_upgrade;
}

int wait_for(const control::UpgradeWatch& watch, pid_t supervisor) {
  constexpr Duration patience = control::Supervision::ready_patience + std::chrono::seconds(10);
  const Instant end = read_steady_clock() + patience;
  while (read_steady_clock() < end) {
    const bool is_alive = !control::doubt_supervisor(supervisor);  // asked first: its last word is not missed
    if (const auto outcome = watch.look()) {
      if (!outcome->is_done) return fail(outcome->text);
      std::printf("process %d: %s\n", supervisor, outcome->text.c_str());
      return control::exit_ok;
    }
    if (!is_alive) return fail("the supervisor has ended");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return fail(
      fmt::format("no word of it within {} s", std::chrono::duration_cast<std::chrono::seconds>(patience).count()));
}

}  // namespace

int upgrade(const UpgradeOptions& options) {
  if ((options.pid == 0) == options.pid_file.empty())
    return complain("name one process: either its id, or --pid-file as given to `sluice run`");
  const auto pid = options.pid != 0 ? options.pid : control::read_pid_file(options.pid_file).value_or(0);
  if (pid == 0) return complain(fmt::format("{} holds no process id: is the gateway running?", options.pid_file));
  // The signal's default is death: it is sent to nobody who does not wait for it.
  if (const auto doubt = control::doubt_supervisor(pid)) return complain(*doubt);
  const auto watch = control::UpgradeWatch::open(pid);
  if (::kill(pid, SIGUSR2) != 0) return complain(fmt::format("process {}: {}", pid, strerrordesc_np(errno)));
  if (watch) return wait_for(*watch, pid);
  std::printf("process %d upgrades, and is of a version that does not tell: its log says what comes of it\n", pid);
  return control::exit_ok;
}

}  // namespace sluice::app
