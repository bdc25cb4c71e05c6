#include "upstream/group.h"

#include <algorithm>
#include <numeric>

namespace sluice::upstream {

namespace {

constexpr std::uint64_t max_turns = 4096;  // above, weights are rounded to shares of this many
constexpr int patience = 16;               // turns that may fall on endpoints which cannot be used

// `random` of 32 bits to a number below `count`, by multiplication: no division, and a bias below count / 2^32.
std::uint64_t scale(std::uint64_t random, std::uint64_t count) { return ((random & 0xffff'ffff) * count) >> 32; }

std::uint64_t stir(std::uint64_t random) {
  random ^= random >> 31;
  return random * 0x9e3779b97f4a7c15;
}

std::vector<std::int64_t> reduced_weights(std::span<const Group::Member> members) {
  std::uint64_t divisor = 0, sum = 0;
  for (const auto& member : members) {
    divisor = std::gcd(divisor, member.weight);
    sum += member.weight;
  }
  const bool must_round = sum / divisor > max_turns;
  std::vector<std::int64_t> weights;
  for (const auto& member : members) {
    const std::uint64_t share = must_round ? (member.weight * max_turns + sum / 2) / sum : member.weight / divisor;
    weights.push_back(static_cast<std::int64_t>(std::max<std::uint64_t>(share, 1)));
  }
  return weights;
}

std::vector<std::uint16_t> smooth_sequence(std::span<const std::int64_t> weights) {
  const std::int64_t sum = std::accumulate(weights.begin(), weights.end(), std::int64_t{0});
  std::vector<std::int64_t> credit(weights.size(), 0);
  std::vector<std::uint16_t> sequence;
  sequence.reserve(static_cast<std::size_t>(sum));
  if (sum == static_cast<std::int64_t>(weights.size())) {  // all 1: in turn, and not in quadratic time
    for (std::size_t i = 0; i < weights.size(); ++i) sequence.push_back(static_cast<std::uint16_t>(i));
    return sequence;
  }
  for (std::int64_t turn = 0; turn < sum; ++turn) {
    for (std::size_t i = 0; i < weights.size(); ++i) credit[i] += weights[i];
    const auto richest = std::max_element(credit.begin(), credit.end());  // the first of equals
    *richest -= sum;
    sequence.push_back(static_cast<std::uint16_t>(richest - credit.begin()));
  }
  return sequence;
}

}  // namespace

Group::Group(std::string_view name, const UpstreamConfig& config)
    : name_(name),
      balance_(config.balance),
      timeouts_(config.timeouts()),
      max_pending_(config.max_pending),
      retries_(config.retries),
      retry_budget_(config.retry_budget),
      keep_alive_(config.keep_alive),
      protocol_(config.spoken()),
      proxy_protocol_(config.proxy_protocol),
      health_(config.health) {}

std::unique_ptr<const Group> Group::make(std::string_view name, const UpstreamConfig& config, EndpointStore& store,
                                         std::shared_ptr<const net::tls::ClientContext> tls) {
  std::unique_ptr<Group> group(new Group(name, config));
  group->tls_ = std::move(tls);
  group->budget_ = store.find_or_make_budget(name);
  std::uint64_t sum = 0;
  std::string members;
  for (const EndpointConfig& endpoint : config.endpoints) {
    group->members_.push_back({store.find_or_make(name, endpoint.address.address, config.health), endpoint.weight});
    sum += endpoint.weight;
    group->weights_up_to_.push_back(sum);
    group->is_uniform_ &= endpoint.weight == config.endpoints.front().weight;
    members += endpoint.address.text + '*' + std::to_string(endpoint.weight) + ' ';
  }
  if (group->balance_ == Balance::round_robin) {
    group->sequence_ = smooth_sequence(reduced_weights(group->members_));
    group->cursor_ = store.find_or_make_cursor(name, members);
  }
  return group;
}

bool Group::take_retry() const {
  std::int64_t attempts = 1;  // the one that failed has ended already
  for (const Member& member : members_) attempts += member.endpoint->in_flight();
  return budget_->take(attempts, retry_budget_.percent, retry_budget_.min);
}

Endpoint* Group::pick(Tried& tried, Instant now, std::uint64_t random) const {
  if (tried.size() >= std::min(members_.size(), Tried::capacity)) return nullptr;
  if (members_.size() == 1) return take(members_.front(), tried, now, false);
  for (int round = 0; round < patience; ++round, random = stir(random)) {
    Choice chosen = balance_ == Balance::round_robin ? turn(tried, now) : least_loaded_of_two(tried, now, random);
    if (chosen.member == nullptr) chosen.member = any_left(tried, now, random, false);
    if (chosen.member == nullptr) break;
    bool is_probe = false;
    if (chosen.despite_health || chosen.member->endpoint->admit(now, is_probe))
      return take(*chosen.member, tried, now, is_probe);
    // Another worker was quicker to probe it, and it is not usable any more: choose again.
  }
  return take(*any_left(tried, now, random, true), tried, now, false);
}

Endpoint* Group::take(const Member& member, Tried& tried, Instant now, bool is_probe) const {
  tried.endpoints_[tried.count_++] = member.endpoint.get();
  tried.is_probe_ = is_probe;
  tried.picked_at_ = now;
  return member.endpoint.get();
}

bool Group::is_panicking() const {
  const auto aside = static_cast<std::size_t>(
      std::ranges::count_if(members_, [](const Member& member) { return member.endpoint->is_set_aside(); }));
  return (members_.size() - aside) * 100 < health_.panic_below * members_.size();
}

// Turns that fall on an endpoint out of use are spent, so that the others share them by their weights.
Group::Choice Group::turn(const Tried& tried, Instant now) const {
  for (int spent = 0; spent < patience; ++spent) {
    const std::uint64_t at = cursor_->fetch_add(1, std::memory_order_relaxed) % sequence_.size();
    const Member& member = members_[sequence_[at]];
    if (!tried.contains(*member.endpoint) && member.endpoint->is_usable(now)) return {&member};
    if (spent == 0 && spreads(tried)) return {&member, true};
  }
  return {};
}

// The choice by weight keeps the shares right while all are idle (the first wins a draw), the comparison when they are
// not.
//   source  Mitzenmacher, "The power of two choices in randomized load balancing", 1996
Group::Choice Group::least_loaded_of_two(const Tried& tried, Instant now, std::uint64_t random) const {
  const std::uint64_t sum = weights_up_to_.back();
  const std::size_t first_at = member_at(scale(random, sum));
  const std::uint64_t first_weight = members_[first_at].weight;
  std::uint64_t point = scale(random >> 32, sum - first_weight);  // anywhere but in the first one's share
  if (point >= weights_up_to_[first_at] - first_weight) point += first_weight;

  const Member* first = &members_[first_at];
  const Member* second = &members_[member_at(point)];
  const auto is_left = [&](const Member& member) {
    return !tried.contains(*member.endpoint) && member.endpoint->is_usable(now);
  };
  bool despite_health = false;
  if (!is_left(*first) || !is_left(*second)) {
    despite_health = spreads(tried);
    if (!despite_health) {
      first = any_left(tried, now, random, false);
      second = any_left(tried, now, stir(random), false);
      if (first == nullptr || second == nullptr) return {first};
    }
  }
  const std::int64_t first_load = first->endpoint->in_flight() * second->weight;
  const std::int64_t second_load = second->endpoint->in_flight() * first->weight;
  return {first_load <= second_load ? first : second, despite_health};
}

std::size_t Group::member_at(std::uint64_t point) const {
  if (is_uniform_) return static_cast<std::size_t>(point / members_.front().weight);
  const auto found = std::upper_bound(weights_up_to_.begin(), weights_up_to_.end(), point);
  return static_cast<std::size_t>(found - weights_up_to_.begin());
}

// One of those not tried (and in use, or even set aside), by weight. Other workers may change what is usable between
// the two passes: then the last one seen is taken.
const Group::Member* Group::any_left(const Tried& tried, Instant now, std::uint64_t random, bool even_set_aside) const {
  const auto is_left = [&](const Member& member) {
    return !tried.contains(*member.endpoint) && (even_set_aside || member.endpoint->is_usable(now));
  };
  std::uint64_t sum = 0;
  for (const Member& member : members_)
    if (is_left(member)) sum += member.weight;
  std::uint64_t point = scale(random, sum);
  const Member* last = nullptr;
  for (const Member& member : members_) {
    if (!is_left(member)) continue;
    last = &member;
    if (point < member.weight) break;
    point -= member.weight;
  }
  return last;
}

}  // namespace sluice::upstream
