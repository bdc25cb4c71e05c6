#include <sched.h>
#include <sys/prctl.h>

#include <filesystem>
#include <memory>

#include "app/commands.h"
#include "control/journal.h"
#include "control/process_environment.h"
#include "control/service.h"
#include "control/supervisor.h"

namespace sluice::app {

namespace {

unsigned usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&set));
}

net::LoopKind loop_kind(const std::string& name) {
  if (name == "epoll") return net::LoopKind::epoll;
  if (name == "uring") return net::LoopKind::uring;
  return net::uring_works() ? net::LoopKind::uring : net::LoopKind::epoll;
}

std::string state_folder(const RunOptions& options) {
  constexpr const char* usual = "/var/lib/sluice";
  std::error_code ignored;
  if (!options.state_folder.empty()) return options.state_folder;
  return std::filesystem::is_directory(usual, ignored) ? usual : "";
}

int run_gateway(const RunOptions& options, std::unique_ptr<control::SupervisorLink> link) {
  control::Service service({.config_path = options.config,
                            .workers = options.workers != 0 ? options.workers : usable_cores(),
                            .loop = loop_kind(options.loop),
                            .version = SLUICE_VERSION,
                            .state_folder = state_folder(options),
                            .may_fall_back = options.may_fall_back,
                            .proven_after = std::chrono::seconds(options.proven_after_s)},
                           std::move(link));
  return service.run();
}

}  // namespace

int run(const RunOptions& options) {
  // The same command line makes both: a gateway process has the end of a channel in its environment.
  if (auto channel = control::take_inherited(control::channel_variable)) {
    ::prctl(PR_SET_NAME, "sluice-gateway", 0, 0, 0);
    return run_gateway(options, std::make_unique<control::SupervisorLink>(control::Channel(std::move(channel))));
  }
  if (options.is_alone) return run_gateway(options, nullptr);
  control::Supervisor supervisor({.arguments = options.arguments,
                                  .pid_file = options.pid_file,
                                  .settings = {.proven_after = std::chrono::seconds(options.proven_after_s),
                                               .may_use_stored = options.may_fall_back}});
  return supervisor.run();
}

}  // namespace sluice::app
