#include <cstdio>

#include "app/commands.h"
#include "control/service.h"
#include "gateway/config.h"

namespace sluice::app {

int schema() {
  std::fputs(config::schema<gateway::RootConfig>("Sluice configuration").c_str(), stdout);
  std::fputc('\n', stdout);
  return control::exit_ok;
}

}  // namespace sluice::app
