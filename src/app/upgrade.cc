#include <fmt/format.h>
#include <signal.h>
#include <string.h>

#include <cerrno>
#include <cstdio>

#include "app/commands.h"
#include "control/exit_code.h"
#include "control/supervisor_search.h"

namespace sluice::app {

namespace {

int complain(const std::string& what) {
  std::fprintf(stderr, "sluice: %s\n", what.c_str());
  return control::exit_usage;
}

}  // namespace

int upgrade(const UpgradeOptions& options) {
  if ((options.pid == 0) == options.pid_file.empty())
    return complain("name one process: either its id, or --pid-file as given to `sluice run`");
  const auto pid = options.pid != 0 ? options.pid : control::read_pid_file(options.pid_file).value_or(0);
  if (pid == 0) return complain(fmt::format("{} holds no process id: is the gateway running?", options.pid_file));
  // The signal's default is death: it is sent to nobody who does not wait for it.
  if (const auto doubt = control::doubt_supervisor(pid)) return complain(*doubt);
  if (::kill(pid, SIGUSR2) != 0) return complain(fmt::format("process {}: {}", pid, strerrordesc_np(errno)));
  std::printf("process %d upgrades; its log says what comes of it\n", pid);
  return control::exit_ok;
}

}  // namespace sluice::app
