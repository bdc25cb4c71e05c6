#include "upstream/endpoint.h"

#include <algorithm>
#include <utility>

namespace sluice::upstream {

namespace {

std::int64_t ns_of(Instant time) { return time.time_since_epoch().count(); }

}  // namespace

const char* outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::connect_failed:
      return "connect_failed";
    case Outcome::connect_timed_out:
      return "connect_timed_out";
    case Outcome::timed_out:
      return "timed_out";
    case Outcome::reset:
      return "reset";
    case Outcome::bad_response:
      return "bad_response";
    case Outcome::tls_failed:
      return "tls_failed";
    case Outcome::success:
      return "success";
    case Outcome::stale:
      return "stale";
    case Outcome::gateway_failed:
      return "gateway_failed";
    case Outcome::client_failed:
      return "client_failed";
  }
  return "";
}

Endpoint::Endpoint(std::string upstream, const net::Address& address, std::uint32_t slot, const HealthConfig& health)
    : upstream_(std::move(upstream)), name_(address.text()), address_(address), slot_(slot) {
  set_health(health);
}

void Endpoint::set_health(const HealthConfig& health) {
  failures_allowed_.store(health.failures, std::memory_order_relaxed);
  set_aside_ns_.store(Duration(health.set_aside).count(), std::memory_order_relaxed);
}

bool Endpoint::admit(Instant now, bool& is_probe) {
  is_probe = false;
  const std::int64_t until = aside_until_ns_.load(std::memory_order_acquire);
  if (until == in_service) return true;
  if (ns_of(now) < until || is_probed_.load(std::memory_order_relaxed)) return false;
  if (is_probed_.exchange(true, std::memory_order_acq_rel)) return false;
  // The last probe may have ended between the look and the claim: what it found is visible now, for it wrote that
  // first.
  const std::int64_t found = aside_until_ns_.load(std::memory_order_acquire);
  if (found != in_service && ns_of(now) >= found) return is_probe = true;
  is_probed_.store(false, std::memory_order_release);
  return found == in_service;
}

void Endpoint::end(Outcome outcome, Instant now, Tried& tried) {
  ended_.fetch_add(1, std::memory_order_relaxed);
  const bool was_probe = std::exchange(tried.is_probe_, false);
  if (outcome == Outcome::success) {
    take_success(tried.picked_at_);
  } else if (is_failure(outcome)) {
    failed_[static_cast<std::size_t>(outcome)].fetch_add(1, std::memory_order_relaxed);
    take_failure(now, was_probe);
  }
  if (was_probe) is_probed_.store(false, std::memory_order_release);
}

// A success of an attempt that is older than the trouble says nothing about it.
void Endpoint::end_probe(Tried& tried) {
  if (!std::exchange(tried.is_probe_, false)) return;
  take_success(tried.picked_at_);
  is_probed_.store(false, std::memory_order_release);
}

void Endpoint::take_success(Instant picked_at) {
  if (failures_.load(std::memory_order_relaxed) != 0) failures_.store(0, std::memory_order_relaxed);
  if (aside_until_ns_.load(std::memory_order_acquire) == in_service) return;
  if (ns_of(picked_at) < aside_since_ns_.load(std::memory_order_relaxed)) return;
  aside_until_ns_.store(in_service, std::memory_order_release);
}

void Endpoint::take_failure(Instant now, bool was_probe) {
  std::int64_t until = aside_until_ns_.load(std::memory_order_acquire);
  const std::int64_t set_aside_ns = set_aside_ns_.load(std::memory_order_relaxed);
  if (until != in_service) {
    if (!was_probe) return;  // known already: an older attempt, or one made because nothing else was left
    const std::uint32_t factor = std::min(backoff_.load(std::memory_order_relaxed) * 2, max_backoff);
    backoff_.store(factor, std::memory_order_relaxed);
    // Unless another attempt has brought it back meanwhile.
    (void)aside_until_ns_.compare_exchange_strong(until, ns_of(now) + set_aside_ns * factor, std::memory_order_acq_rel);
    return;
  }
  const std::uint32_t allowed = failures_allowed_.load(std::memory_order_relaxed);
  if (failures_.fetch_add(1, std::memory_order_relaxed) + 1 < allowed || allowed == 0) return;
  backoff_.store(1, std::memory_order_relaxed);
  aside_since_ns_.store(ns_of(now), std::memory_order_relaxed);
  if (aside_until_ns_.compare_exchange_strong(until, ns_of(now) + set_aside_ns, std::memory_order_acq_rel))
    set_asides_.fetch_add(1, std::memory_order_relaxed);
}

bool Endpoint::begin_pending() {
  if (pending_.fetch_add(1, std::memory_order_relaxed) < max_pending_.load(std::memory_order_relaxed)) return true;
  end_pending();
  pending_refused_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

Endpoint::Totals Endpoint::totals() const {
  Totals totals{.attempts = begun_.load(std::memory_order_relaxed),
                .in_flight = in_flight(),
                .connects = connects_.load(std::memory_order_relaxed),
                .failures = {},
                .set_asides = set_asides_.load(std::memory_order_relaxed),
                .is_set_aside = is_set_aside(),
                .pending = pending_.load(std::memory_order_relaxed),
                .pending_refused = pending_refused_.load(std::memory_order_relaxed)};
  for (std::size_t i = 0; i < failure_kinds; ++i) totals.failures[i] = failed_[i].load(std::memory_order_relaxed);
  return totals;
}

}  // namespace sluice::upstream
