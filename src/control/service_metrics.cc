#include "control/service.h"

namespace sluice::control {

namespace {

constexpr std::size_t failure_kinds = upstream::failure_kinds;
using Failures = std::vector<EndpointSnapshot::Failure>;

void add(PoolSnapshot& sum, const upstream::Pool::Counters& pool) {
  sum.connects += pool.connects.value();
  sum.connect_failures += pool.connect_failures.value();
  sum.reuses += pool.reused.value();
  sum.closed_idle += pool.closed_idle.value();
  sum.closed_age += pool.closed_age.value();
  sum.idle += pool.idle.value();
  sum.open += pool.open.value();
}

EndpointSnapshot snapshot(const upstream::Endpoint& endpoint, Failures& failures) {
  const auto totals = endpoint.totals();
  for (std::size_t kind = 0; kind < failure_kinds; ++kind)
    failures.push_back(
        {.kind = upstream::outcome_name(static_cast<upstream::Outcome>(kind)), .count = totals.failures[kind]});
  return {.upstream = endpoint.upstream(),
          .endpoint = endpoint.name(),
          .requests = totals.attempts,
          .connects = totals.connects,
          .in_flight = totals.in_flight,
          .is_set_aside = totals.is_set_aside,
          .times_set_aside = totals.set_asides,
          .pending = totals.pending,
          .pending_refused = totals.pending_refused,
          .failures = failures};
}

}  // namespace

std::string Service::metrics_text() {
  MetricsInput input{.version = options_.version,
                     .loop = options_.loop == net::LoopKind::uring ? "uring" : "epoll",
                     .causes = &causes_,
                     .listeners = &kept_.listener_numbers,
                     .config = config_,
                     .process = {.crashes = counts_.crashes,
                                 .stuck = counts_.stuck,
                                 .upgrades = counts_.upgrades,
                                 .failed_upgrades = counts_.failed_upgrades,
                                 .stalls = watchdog_ != nullptr ? watchdog_->stalls() : 0,
                                 .descriptor_limit = kept_.machine.descriptors},
                     .log = log_.stats()};
  input.config.is_last_good = !fallback_reason_.empty();
  std::vector<const gateway::WorkerMetrics*> workers;
  for (const WorkerThread& entry : workers_) {
    workers.push_back(&entry.worker->metrics());
    add(input.pool, entry.worker->pool_counters());
  }
  if (plan_ != nullptr) input.max_connections = plan_->limits.connections.all;
  const auto routes = kept_.route_stats.all();
  const auto endpoints = kept_.endpoints.all();
  std::vector<Failures> failures(endpoints.size());
  std::vector<EndpointSnapshot> snapshots;
  for (std::size_t i = 0; i < endpoints.size(); ++i) snapshots.push_back(snapshot(*endpoints[i], failures[i]));
  input.workers = workers;
  input.routes = routes;
  input.endpoints = snapshots;
  std::vector<UpstreamSnapshot> upstreams;
  for (const auto& group : plan_->groups)
    upstreams.push_back({.upstream = group->name(),
                         .is_panicking = group->is_panicking(),
                         .is_insecure = group->tls() != nullptr && !group->tls()->settings().verifies});
  input.upstreams = upstreams;
  input.config.plans_live = plans_.sweep();
  const auto certificates_now = certificates();
  input.certificates = certificates_now;
  const auto upstream_certificates_now = upstream_certificates();
  input.upstream_certificates = upstream_certificates_now;
  const auto revocation_lists_now = revocation_lists();
  input.revocation_lists = revocation_lists_now;
  input.certificates_refused = certificates_refused_;
  input.policy_files_refused = policy_files_refused_;
  input.staples_fetched = stapler_->fetched();
  input.staples_failed = stapler_->failed();
  return render_metrics(input);
}

}  // namespace sluice::control
