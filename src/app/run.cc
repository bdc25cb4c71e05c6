#include <sched.h>

#include "app/commands.h"
#include "control/journal.h"
#include "control/service.h"

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

}  // namespace

int run(const RunOptions& options) {
  control::Service service({.config_path = options.config,
                            .workers = options.workers != 0 ? options.workers : usable_cores(),
                            .loop = loop_kind(options.loop),
                            .version = SLUICE_VERSION});
  return service.run();
}

}  // namespace sluice::app
