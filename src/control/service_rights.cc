// Rights and limits of the gateway process, settled once at its start.

#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/journal.h"
#include "control/machine.h"
#include "control/service.h"

namespace sluice::control {

bool Service::drop_rights(const gateway::RootConfig& config) {
  user_ = config.user;
  group_ = config.group;
  const bool is_root = ::geteuid() == 0;
  std::optional<Identity> identity;
  if (!config.user.empty()) {
    auto found = find_identity(config.user, config.group);
    if (!found) {
      say(Level::error, found.error());
      return false;
    }
    identity = std::move(*found);
  }
  prepare_state_folder(is_root ? identity : std::nullopt);
  if (!identity && is_root)
    say(Level::warning, "the gateway process runs as root: name another one in the config, as `user: sluice`");
  if (identity && !is_root && identity->user != ::geteuid())
    say(Level::warning, fmt::format("user: {} is not taken on: only root can become somebody else", identity->name));
  if (!identity || !is_root) return true;
  if (const auto fault = become(*identity)) {
    say(Level::error, *fault);
    return false;
  }
  if (::access(options_.config_path.c_str(), R_OK) != 0)
    say(Level::warning, fmt::format("{} cannot be read by user {}: a change of it will not be taken; make it readable",
                                    options_.config_path, identity->name));
  return true;
}

void Service::prepare_state_folder(const std::optional<Identity>& identity) {
  if (!last_good_ || ::mkdir(options_.state_folder.c_str(), S_IRWXU) != 0) return;  // it is there, mostly
  if (identity && ::chown(options_.state_folder.c_str(), identity->user, identity->group) != 0)
    say(Level::warning, fmt::format("the state directory {} cannot be given to user {}: {}", options_.state_folder,
                                    identity->name, strerrordesc_np(errno)));
}

void Service::check_descriptors(const gateway::Plan& plan) const {
  if (const auto doubt = doubt_descriptors(kept_.machine, plan.limits.connections)) say(Level::warning, *doubt);
}

}  // namespace sluice::control
