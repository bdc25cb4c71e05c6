// The ends of gateway processes, and what follows.

#include <fmt/format.h>

#include <algorithm>

#include "control/exit_code.h"
#include "control/supervision.h"

namespace sluice::control {

namespace {

// Of an exchange's making: any other end is a crash.
bool is_orderly(const ProcessEnd& end) {
  return !end.is_by_signal && (end.value == exit_ok || end.value == exit_drain_cut);
}

// Refusals to start, which have been explained.
bool is_refusal(const ProcessEnd& end) {
  return !end.is_by_signal && end.value >= exit_config && end.value <= exit_start;
}

}  // namespace

void Supervision::on_end(int id, const ProcessEnd& end, Instant now) {
  GatewayProcess* const found = find(id);
  if (found == nullptr) return;  // another child of process 1
  const GatewayProcess process = *found;
  std::erase_if(state_.processes, [&](const GatewayProcess& one) { return one.id == id; });

  if (is_stopping_) {
    if (process.role == Role::current)
      exit_code_ = end.is_by_signal || end.value > exit_drain_cut ? exit_lost : end.value;
    if (exit_code_ == exit_lost) hands_.report(Level::error, fmt::format("gateway process {} {}", id, end.text()));
    if (state_.processes.empty()) finish(exit_code_);
    return;
  }
  if (process.role == Role::successor) return on_successor_end(process, end, now);
  if (process.role == Role::predecessor) {
    hands_.report(is_orderly(end) ? Level::info : Level::warning,
                  fmt::format("former gateway process {} {}", id, end.text()));
    return;
  }
  const bool is_refused_start = !state_.was_ever_ready && is_refusal(end);
  if ((process.is_ready && is_orderly(end)) || is_refused_start) {
    is_stopping_ = true;
    exit_code_ = end.value;
    for (const GatewayProcess& other : state_.processes) hands_.signal(other.id, SIGTERM);
    if (state_.processes.empty()) finish(end.value);
    return;
  }
  on_crash(process, end, now);
}

void Supervision::on_successor_end(const GatewayProcess& process, const ProcessEnd& end, Instant now) {
  const bool has_current = find(Role::current) != nullptr;
  if (process.is_upgrade) {
    ++state_.counts.failed_upgrades;
    hands_.report(Level::error,
                  fmt::format("upgrade failed: the new gateway process {} {} before it was ready{}", process.id,
                              end.text(), has_current ? "; the running one goes on serving" : ""));
    hands_.upgrade_failed(fmt::format("the new gateway process {} before it was ready", end.text()));
  } else {
    hands_.report(Level::error,
                  fmt::format("the replacement, gateway process {}, {} before it was ready", process.id, end.text()));
  }
  if (const GatewayProcess* const current = find(Role::current)) return tell_counts(*current);
  start_current(now);  // the current one has died meanwhile
}

void Supervision::on_crash(const GatewayProcess& process, const ProcessEnd& end, Instant now) {
  hands_.report(Level::error, fmt::format("gateway process {} {}", process.id, end.text()));
  ++(process.was_killed ? state_.counts.stuck : state_.counts.crashes);
  state_.crashed_at = now;
  std::erase_if(state_.crashes, [&](Instant at) { return now - at > std::chrono::minutes(1); });
  state_.crashes.push_back(now);
  consider_fallback(process);
  if (find(Role::successor) != nullptr) return;  // it takes over when it is ready
  const Duration delay = restart_delay();
  if (delay == Duration(0)) return start_current(now);
  state_.start_at = now + delay;
  hands_.report(Level::error, fmt::format("{} crashes in a minute: the next start waits {} ms", state_.crashes.size(),
                                          std::chrono::duration_cast<std::chrono::milliseconds>(delay).count()));
}

Duration Supervision::restart_delay() {
  if (state_.crashes.size() <= crashes_at_once) return Duration(0);
  const std::size_t doublings = std::min<std::size_t>(state_.crashes.size() - crashes_at_once - 1, 10);
  const Duration delay = std::min<Duration>(first_delay * (1LL << doublings), longest_delay);
  // Between three and five quarters of it: many gateways that died of one cause do not come back at one time.
  return delay * 3 / 4 + delay / 2 * (hands_.random() % 1024) / 1024;
}

// Blamed on the config: deaths of processes that had not come to serve, and of those that ran what is not proven yet.
void Supervision::consider_fallback(const GatewayProcess& process) {
  if (state_.has_fallen_back || (process.is_ready && state_.is_active_proven)) return;
  if (++state_.young_crashes != crashes_until_fallback) return;
  // Without a proven one, what came into force at least once is better than what never did.
  const KeptConfig& to = state_.good || process.is_ready ? state_.good : state_.active;
  fall_back(to, fmt::format("the config crashed the gateway {} times, each within {} s of coming into force or before",
                            crashes_until_fallback,
                            std::chrono::duration_cast<std::chrono::seconds>(settings_.proven_after).count()));
}

void Supervision::fall_back(const KeptConfig& to, std::string reason) {
  const bool is_stored = !to && settings_.may_use_stored;
  if (!to && !is_stored)
    return hands_.report(Level::error, reason + "; there is no last good config to return to, so it is tried again");
  hands_.report(Level::error, reason + "; the last good config is used instead, until the config file changes");
  state_.active = to;
  state_.has_fallen_back = true;
  state_.fallback_reason = std::move(reason);
  state_.is_active_proven = !is_stored;
  state_.young_crashes = 0;
}

}  // namespace sluice::control
