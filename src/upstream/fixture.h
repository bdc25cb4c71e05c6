#pragma once
// For tests of upstream: groups made in a line, and attempts as an exchange makes them.

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "upstream/group.h"

namespace sluice::upstream::testing {

using namespace std::chrono_literals;

inline constexpr Instant start{1000s};

inline UpstreamConfig config_of(std::initializer_list<std::uint32_t> weights,
                                Balance balance = Balance::least_request) {
  UpstreamConfig config;
  config.balance = balance;
  std::uint16_t port = 7001;
  for (const std::uint32_t weight : weights) {
    EndpointConfig& endpoint = config.endpoints.emplace_back();
    endpoint.address.address = net::Address::parse("127.0.0.1:" + std::to_string(port++)).value();
    endpoint.address.text = endpoint.address.address.text();
    endpoint.weight = weight;
  }
  return config;
}

// A store, one group of it, and the random numbers and the time of one worker.
struct Rig {
  explicit Rig(const UpstreamConfig& config) : group(Group::make("users", config, store)) {}

  Endpoint& endpoint(std::size_t at) { return *group->members()[at].endpoint; }
  std::size_t index_of(const Endpoint* picked) const {
    for (std::size_t i = 0; i < group->members().size(); ++i)
      if (group->members()[i].endpoint.get() == picked) return i;
    return SIZE_MAX;
  }
  std::size_t pick_once() {
    Tried tried;
    return index_of(group->pick(tried, now, random.next()));
  }
  // One attempt at an endpoint picked without a choice.
  void attempt(std::size_t at, Outcome outcome) {
    Tried tried;
    endpoint(at).begin();
    endpoint(at).end(outcome, now, tried);
  }
  // One attempt at an endpoint, begun now.
  void attempt_picked_now(std::size_t at, Outcome outcome) {
    Tried tried;
    Endpoint* picked = nullptr;
    while ((picked = group->pick(tried, now, random.next())) != &endpoint(at)) tried = {};
    picked->begin();
    picked->end(outcome, now, tried);
  }
  void set_aside(std::size_t at) {
    for (std::uint32_t i = 0; i < group->health().failures; ++i) attempt(at, Outcome::connect_failed);
  }

  EndpointStore store;
  std::unique_ptr<const Group> group;
  Random random{7};
  Instant now = start;
};

}  // namespace sluice::upstream::testing
