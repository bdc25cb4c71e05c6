#pragma once
// A compiled upstream: its endpoints, and which of them serves the next attempt. Immutable, part of a plan; any worker
// picks from it without a lock. Not the endpoints' state (endpoint.h), which outlives it.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "net/tls/client_context.h"
#include "upstream/config.h"
#include "upstream/endpoint.h"
#include "upstream/endpoint_store.h"
#include "upstream/retry_budget.h"

namespace sluice::upstream {

class Group {
 public:
  struct Member {
    std::shared_ptr<Endpoint> endpoint;
    std::uint32_t weight;
  };

  // `config` as it was read: at least one endpoint, none twice. Control thread; cost up to 50 ms for 4096 unequal
  // weights.
  static std::unique_ptr<const Group> make(std::string_view name, const UpstreamConfig& config, EndpointStore& store,
                                           std::shared_ptr<const net::tls::ClientContext> tls = nullptr);

  const std::string& name() const { return name_; }
  const Timeouts& timeouts() const { return timeouts_; }
  std::uint32_t retries() const { return retries_; }
  std::uint32_t max_pending() const { return max_pending_; }
  // Whether one more retry may begin. If so, budget().give_back() is due when its attempt has ended.
  bool take_retry() const;
  RetryBudget& budget() const { return *budget_; }
  const KeepAliveConfig& keep_alive() const { return keep_alive_; }
  Protocol protocol() const { return protocol_; }
  ProxyProtocol proxy_protocol() const { return proxy_protocol_; }
  const HealthConfig& health() const { return health_; }
  std::span<const Member> members() const { return members_; }
  // How connections to the endpoints are made; null: in the clear.
  const std::shared_ptr<const net::tls::ClientContext>& tls() const { return tls_; }

  // The endpoint for the next attempt, noted in `tried`; null when all were tried (or Tried::capacity of them).
  // Endpoints set aside are passed over, but for the one attempt that probes. When no other is left to try they are
  // used all the same, as if all were well: trying beats refusing, and spreads the load better than trying one. So
  // they are for an exchange's first attempt while is_panicking().
  //   random  64 fresh bits
  //   cost    a few loads; linear in the endpoints when the first choices cannot be used. No allocation, no lock;
  //           round_robin: one locked instruction on a counter that all workers share
  Endpoint* pick(Tried& tried, Instant now, std::uint64_t random) const;

  // Whether fewer endpoints are in service than health.panic_below asks for: what is left would not bear the load of
  // all, and that so many fail at once may be our own view (a network in trouble). Linear in the endpoints. Any thread.
  bool is_panicking() const;

  // The turns of a round robin, as indices of members(); for explain and tests. Smooth: a heavy endpoint's turns are
  // spread.
  //   source  the smooth weighted round robin of nginx: at each turn everybody's credit grows by its weight, the
  //           largest credit is chosen and pays the sum of the weights
  std::span<const std::uint16_t> sequence() const { return sequence_; }

 private:
  Group(std::string_view name, const UpstreamConfig& config);

  struct Choice {
    const Member* member = nullptr;
    bool despite_health = false;  // not to be asked whether it admits
  };
  Choice turn(const Tried& tried, Instant now) const;
  Choice least_loaded_of_two(const Tried& tried, Instant now, std::uint64_t random) const;
  bool spreads(const Tried& tried) const { return tried.size() == 0 && is_panicking(); }
  const Member* any_left(const Tried& tried, Instant now, std::uint64_t random, bool even_set_aside) const;
  std::size_t member_at(std::uint64_t point) const;
  Endpoint* take(const Member& member, Tried& tried, Instant now, bool is_probe) const;

  std::string name_;
  Balance balance_;
  Timeouts timeouts_;
  std::uint32_t max_pending_;
  std::uint32_t retries_;
  RetryBudgetConfig retry_budget_;
  std::shared_ptr<RetryBudget> budget_;
  KeepAliveConfig keep_alive_;
  Protocol protocol_;
  ProxyProtocol proxy_protocol_;
  HealthConfig health_;
  std::shared_ptr<const net::tls::ClientContext> tls_;
  std::vector<Member> members_;
  std::vector<std::uint64_t> weights_up_to_;  // running sums
  bool is_uniform_ = true;                    // all weights are equal
  std::vector<std::uint16_t> sequence_;       // round_robin only
  std::shared_ptr<Cursor> cursor_;            // round_robin only
};

}  // namespace sluice::upstream
