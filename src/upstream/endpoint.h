#pragma once
// One address of one upstream, shared by all workers and kept over reloads: how much it has to do, whether it works,
// and its totals. Not its connections: each worker has its own (pool.h). Not which endpoint is chosen: group.h.
//
// Health is passive. `health.failures` failed attempts in a row set the endpoint aside for `health.set_aside`; after
// that one attempt at a time probes it. A probe that fails sets it aside for twice as long, up to eight times; a
// success of any attempt picked since then brings it back. What counts is whether the endpoint speaks HTTP in time: an
// answer with status 5xx is a success here, because it may be the answer to a bad request and says nothing of the
// instance.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.h"
#include "net/address.h"
#include "upstream/config.h"

namespace sluice::upstream {

// How an attempt ended. The first six tell nothing good of the endpoint; what follows blames somebody else.
enum class Outcome : std::uint8_t {
  connect_failed,
  connect_timed_out,
  timed_out,       // connected, but no byte in time
  reset,           // cut before the response was complete
  bad_response,    // not HTTP, or past a limit
  tls_failed,      // no TLS, or not who it should be
  success,         // a complete response, whatever its status
  stale,           // a pooled connection that the peer had already closed
  gateway_failed,  // out of descriptors, or a request that could not be written
  client_failed,   // the client went away, or broke its request
};
inline constexpr std::size_t failure_kinds = 6;
constexpr bool is_failure(Outcome outcome) { return static_cast<std::size_t>(outcome) < failure_kinds; }
const char* outcome_name(Outcome outcome);  // "connect_failed": label of metrics

class Endpoint;

// What one exchange has tried, so that nothing is tried twice. Group::pick() fills it. On the exchange's worker.
class Tried {
 public:
  static constexpr std::size_t capacity = max_retries + 1;

  bool contains(const Endpoint& endpoint) const {
    for (std::size_t i = 0; i < count_; ++i)
      if (endpoints_[i] == &endpoint) return true;
    return false;
  }
  std::size_t size() const { return count_; }
  bool is_full() const { return count_ == capacity; }
  bool is_probe() const { return is_probe_; }  // the endpoint picked last was set aside, and this attempt probes it

 private:
  friend class Endpoint;
  friend class Group;
  std::array<const Endpoint*, capacity> endpoints_{};
  std::uint8_t count_ = 0;
  bool is_probe_ = false;
  Instant picked_at_{};  // the last one
};

// Any thread, unless stated otherwise. Nothing here waits or allocates.
class Endpoint : public std::enable_shared_from_this<Endpoint> {
 public:
  // `slot` is a small number that no other living endpoint has: EndpointStore gives them out. Only inside a shared_ptr.
  Endpoint(std::string upstream, const net::Address& address, std::uint32_t slot, const HealthConfig& health);
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  const std::string& upstream() const { return upstream_; }
  const std::string& name() const { return name_; }  // "127.0.0.1:7001": for logs and metrics
  const net::Address& address() const { return address_; }
  std::uint32_t slot() const { return slot_; }

  // Around each attempt, the pooled ones too, on the worker's thread: begin() after Group::pick() (or again, to retry
  // on a fresh connection), then end() exactly once. end() ends the attempt's probing as well: `tried` is the one that
  // pick() had.
  //   cost  one locked instruction each
  void begin() { begun_.fetch_add(1, std::memory_order_relaxed); }
  void end(Outcome outcome, Instant now, Tried& tried);
  // Instead of end(), for an attempt that became a stream: the probing ended with its head, and how it ends in hours
  // says nothing of the endpoint.
  void end_stream() { ended_.fetch_add(1, std::memory_order_relaxed); }

  std::int64_t in_flight() const {  // never negative
    const std::uint64_t ended = ended_.load(std::memory_order_relaxed);
    const auto count = static_cast<std::int64_t>(begun_.load(std::memory_order_relaxed) - ended);
    return count > 0 ? count : 0;  // the two may be read out of order
  }
  bool is_set_aside() const { return aside_until_ns_.load(std::memory_order_relaxed) != in_service; }

  // Whether admit() would probably say yes: in service, or due for a probe while nobody probes.
  bool is_usable(Instant now) const {
    const std::int64_t until = aside_until_ns_.load(std::memory_order_relaxed);
    if (until == in_service) return true;
    return now.time_since_epoch().count() >= until && !is_probed_.load(std::memory_order_relaxed);
  }
  // Lets one more attempt in. Sets `is_probe` when it is the one that probes: then end() must follow.
  bool admit(Instant now, bool& is_probe);

  // The head of a response came: a probe has found out what it is for, however long the body lasts.
  void end_probe(Tried& tried);

  // The settings of the plan now in force (Pool::adopt).
  void set_health(const HealthConfig& health);
  void set_max_pending(std::uint32_t count) { max_pending_.store(count, std::memory_order_relaxed); }

  // Around each connect, over all workers. False, and no end_pending() follows, when so many are under way already.
  bool begin_pending();
  void end_pending() { pending_.fetch_sub(1, std::memory_order_relaxed); }

  void count_connect() { connects_.fetch_add(1, std::memory_order_relaxed); }

  // For metrics; each number by itself is right, together they may be an instant apart.
  struct Totals {
    std::uint64_t attempts;
    std::int64_t in_flight;
    std::uint64_t connects;
    std::array<std::uint64_t, failure_kinds> failures;  // by Outcome
    std::uint64_t set_asides;                           // how often it left the service
    bool is_set_aside;
    std::uint32_t pending;          // connections being made
    std::uint64_t pending_refused;  // attempts that were one too many
  };
  Totals totals() const;

 private:
  static constexpr std::int64_t in_service = INT64_MIN;
  static constexpr std::uint32_t max_backoff = 8;

  void take_success(Instant picked_at);
  void take_failure(Instant now, bool was_probe);

  const std::string upstream_;
  const std::string name_;
  const net::Address address_;
  const std::uint32_t slot_;

  // Written by every attempt, apart from what is only read.
  alignas(64) std::atomic<std::uint64_t> begun_{0};
  std::atomic<std::uint64_t> ended_{0};

  // Written when something fails.
  alignas(64) std::atomic<std::int64_t> aside_until_ns_{in_service};
  std::atomic<std::int64_t> aside_since_ns_{0};
  std::atomic<std::uint32_t> failures_{0};  // in a row
  std::atomic<std::uint32_t> backoff_{1};
  std::atomic<bool> is_probed_{false};
  std::atomic<std::uint32_t> failures_allowed_;
  std::atomic<std::int64_t> set_aside_ns_;
  std::atomic<std::uint64_t> set_asides_{0};
  std::atomic<std::uint64_t> connects_{0};
  std::atomic<std::uint32_t> pending_{0};
  std::atomic<std::uint32_t> max_pending_{UpstreamConfig{}.max_pending};
  std::atomic<std::uint64_t> pending_refused_{0};
  std::array<std::atomic<std::uint64_t>, failure_kinds> failed_{};
};

}  // namespace sluice::upstream
