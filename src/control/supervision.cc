#include "control/supervision.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>

#include "control/exit_code.h"

namespace sluice::control {

std::string ProcessEnd::text() const {
  if (!is_by_signal) return fmt::format("ended with exit code {}", value);
  const char* const name = ::sigabbrev_np(value);
  return fmt::format("was killed by signal {}{}", value, name != nullptr ? fmt::format(" (SIG{})", name) : "");
}

GatewayProcess* Supervision::find(int id) {
  const auto at = std::ranges::find(state_.processes, id, &GatewayProcess::id);
  return at == state_.processes.end() ? nullptr : &*at;
}

GatewayProcess* Supervision::find(Role role) {
  const auto at = std::ranges::find(state_.processes, role, &GatewayProcess::role);
  return at == state_.processes.end() ? nullptr : &*at;
}

bool Supervision::serves() const {
  return std::ranges::any_of(state_.processes,
                             [](const auto& one) { return one.role == Role::current && one.is_ready; });
}

void Supervision::resume(SupervisionState state, Instant now) {
  state_ = std::move(state);
  for (GatewayProcess& process : state_.processes) process.heard_at = now;
}

bool Supervision::start(const StartOrder& order, Role role, Instant now) {
  const auto started = hands_.start(order);
  if (!started) {
    hands_.report(Level::error, fmt::format("no gateway process could be started: {}", started.error()));
    return false;
  }
  state_.processes.push_back({.id = *started,
                              .role = role,
                              .choice = order.choice,
                              .is_upgrade = order.binary == Binary::on_disk,
                              .started_at = now,
                              .heard_at = now});
  return true;
}

StartOrder Supervision::order_for_restart() const {
  StartOrder order{.kept = state_.active, .reason = state_.fallback_reason};
  if (state_.has_fallen_back) {
    order.choice = state_.active ? ConfigChoice::kept : ConfigChoice::stored;
  } else if (state_.active) {
    order.choice = ConfigChoice::file_or_kept;
  }
  return order;
}

void Supervision::start_current(Instant now) {
  state_.start_at.reset();
  if (!start(order_for_restart(), Role::current, now)) state_.start_at = now + longest_delay;
}

const char* Supervision::why_no_upgrade() const {
  const auto is_there = [&](Role role) {
    return std::ranges::any_of(state_.processes, [&](const GatewayProcess& one) { return one.role == role; });
  };
  if (is_stopping_) return "the gateway is being stopped";
  if (is_there(Role::successor)) return "a new gateway process is being started already";
  if (!is_there(Role::current)) return "no gateway process serves at the moment: try again later";
  return nullptr;
}

void Supervision::start_successor(bool is_upgrade, Instant now) {
  if (const char* const why = is_upgrade ? why_no_upgrade() : nullptr) {
    hands_.report(Level::warning, fmt::format("no upgrade: {}", why));
    // Who asks in the middle of another upgrade is told what comes of that one.
    const GatewayProcess* const successor = find(Role::successor);
    if (successor == nullptr || !successor->is_upgrade) hands_.upgrade_failed(why);
    return;
  }
  if (is_stopping_) return;
  StartOrder order = order_for_restart();
  if (is_upgrade) {
    order.binary = Binary::on_disk;
    // A config that cannot be used must not be covered up by the one in force: who upgrades is told.
    if (!state_.has_fallen_back) order = {.binary = Binary::on_disk, .choice = ConfigChoice::file};
    hands_.report(Level::info, "upgrade: the binary on disk is started beside the running one");
  }
  if (start(order, Role::successor, now)) return;
  if (!is_upgrade) return;
  ++state_.counts.failed_upgrades;
  hands_.upgrade_failed("no process could be started");
}

void Supervision::on_ready(GatewayProcess& process, Instant now) {
  if (std::exchange(process.is_ready, true)) return;
  const auto ms = [&](Instant since) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count();
  };
  const bool is_upgrade = process.role == Role::successor && process.is_upgrade;
  if (process.announced) on_active(std::exchange(process.announced, {}), now);
  if (state_.is_active_proven) state_.young_crashes = 0;
  if (!state_.is_active_proven) state_.active_since = now;  // what it has to prove, it proves in one process
  if (GatewayProcess* const current = find(Role::current); process.role == Role::successor && current != nullptr) {
    current->role = Role::predecessor;
    hands_.tell(current->id, "drain");
    hands_.report(Level::info, fmt::format("gateway process {} serves after {} ms; process {} drains", process.id,
                                           ms(process.started_at), current->id));
  } else if (state_.was_ever_ready) {
    hands_.report(Level::info, fmt::format("gateway process {} serves, {} ms after the last one died", process.id,
                                           ms(state_.crashed_at)));
  }
  process.role = Role::current;
  state_.was_ever_ready = true;
  if (is_upgrade) ++state_.counts.upgrades;
  tell_counts(process);
  if (state_.is_active_proven) hands_.tell(process.id, "proven");
  hands_.serves(process.id);
  if (is_upgrade) hands_.become_new_binary();
}

void Supervision::on_signal(int number, Instant now) {
  if (number == SIGTERM || number == SIGINT) return stop(number);
  if (number == SIGUSR2) return start_successor(true, now);
  for (const GatewayProcess& process : state_.processes)
    if (process.role == Role::current || number == SIGUSR1) hands_.signal(process.id, number);
}

void Supervision::stop(int signal_number) {
  is_stopping_ = true;
  state_.start_at.reset();
  for (const GatewayProcess& process : state_.processes) hands_.signal(process.id, signal_number);
  if (state_.processes.empty()) finish(exit_ok);
}

void Supervision::finish(int code) {
  is_over_ = true;
  exit_code_ = code;
}

}  // namespace sluice::control
