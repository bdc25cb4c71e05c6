// What gateway processes say to the supervisor, and its clock.

#include <fmt/format.h>

#include <algorithm>

#include "control/channel.h"
#include "control/supervision.h"

namespace sluice::control {

void Supervision::on_message(int id, std::string_view text, Descriptor file, Instant now) {
  GatewayProcess* const process = find(id);
  if (process == nullptr) return;
  process->heard_at = now;
  process->has_spoken = true;
  const std::string_view verb = take_word(text);
  long long number = 0;
  if (verb == "ready") {
    on_ready(*process, now);
  } else if (verb == "active" && file) {
    KeptConfig config{std::string(take_word(text)), std::make_shared<const Descriptor>(std::move(file))};
    if (process->role == Role::successor) {
      process->announced = std::move(config);
    } else if (process->role == Role::current) {
      on_active(std::move(config), now);
    }
  } else if (verb == "draining" && take_number(text, 0, 1LL << 40, number)) {
    process->ends_by = now + std::chrono::milliseconds(number) + end_patience;
  } else if (verb == "replace" && process->role == Role::current && find(Role::successor) == nullptr) {
    hands_.report(Level::error, fmt::format("gateway process {} asks to be replaced: {}", id, text));
    ++state_.counts.stuck;
    start_successor(false, now);
  }
}

void Supervision::on_active(KeptConfig config, Instant now) {
  if (state_.active.hash == config.hash) return;
  const bool is_the_fallback = state_.has_fallen_back && !state_.active;
  state_.active = std::move(config);
  state_.active_since = now;
  state_.young_crashes = 0;
  state_.is_active_proven = state_.good.hash == state_.active.hash;
  if (is_the_fallback) return;
  state_.has_fallen_back = false;
  state_.fallback_reason.clear();
}

void Supervision::on_proven() {
  state_.is_active_proven = true;
  state_.young_crashes = 0;
  state_.good = state_.active;
  if (const GatewayProcess* const current = find(Role::current)) hands_.tell(current->id, "proven");
}

void Supervision::tell_counts(const GatewayProcess& process) {
  const SupervisorCounts& counts = state_.counts;
  hands_.tell(process.id, fmt::format("counts {} {} {} {} {}", counts.crashes, counts.stuck, counts.upgrades,
                                      counts.failed_upgrades, state_.has_fallen_back ? 1 : 0));
}

void Supervision::kill(GatewayProcess& process, std::string why) {
  hands_.report(Level::error, fmt::format("gateway process {} {}: it is killed", process.id, why));
  process.was_killed = true;
  process.ends_by = Instant::max();
  hands_.signal(process.id, SIGKILL);
}

void Supervision::check_silence(GatewayProcess& process, Instant now) {
  if (process.was_killed) return;
  const Duration silence = now - process.heard_at;
  const auto seconds = std::chrono::duration<double>(silence).count();
  if (process.has_spoken && silence >= stopped_patience && hands_.is_stopped(process.id)) {
    kill(process, fmt::format("is stopped and has given no sign of life for {:.1f} s", seconds));
  } else if (silence >= silent_patience) {
    kill(process, fmt::format("has given no sign of life for {:.1f} s", seconds));
  } else if (now >= process.ends_by) {
    kill(process, "has not ended within its drain time");
  } else if (process.role == Role::successor && now - process.started_at >= ready_patience) {
    kill(process, fmt::format("was not ready within {:.0f} s", std::chrono::duration<double>(ready_patience).count()));
  }
}

void Supervision::on_time(Instant now) {
  // A supervisor that stood still itself (stopped, a suspended machine) has heard nobody meanwhile.
  if (looked_at_ != Instant::min() && now - looked_at_ > stopped_patience / 2)
    for (GatewayProcess& process : state_.processes) process.heard_at = now;
  looked_at_ = now;
  for (GatewayProcess& process : state_.processes) check_silence(process, now);
  if (state_.start_at && now >= *state_.start_at) start_current(now);
  if (state_.active && !state_.is_active_proven && serves() && now - state_.active_since >= settings_.proven_after)
    on_proven();
}

// At least once a second, so that on_time() sees that the supervisor itself runs.
Instant Supervision::next_deadline() const {
  Instant next = looked_at_ == Instant::min() ? Instant::min() : looked_at_ + std::chrono::milliseconds(500);
  if (state_.start_at) next = std::min(next, *state_.start_at);
  if (state_.active && !state_.is_active_proven && serves())
    next = std::min(next, state_.active_since + settings_.proven_after);
  return next;
}

}  // namespace sluice::control
