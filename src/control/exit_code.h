#pragma once

namespace sluice::control {

// Exit codes of `sluice`, documented in docs/operations.md.
enum ExitCode : int {
  exit_ok = 0,
  exit_config = 1,
  exit_usage = 2,
  exit_start = 3,
  exit_drain_cut = 4,
  exit_lost = 5,     // the gateway process died while it was being stopped
  exit_upgrade = 6,  // of `sluice upgrade`: it failed, or nobody said what came of it
};

}  // namespace sluice::control
