#pragma once
// What the gateway counts. Each worker counts for itself, in memory that only it writes; whoever scrapes sums over the
// workers, so a scrape never slows a request. Every label comes from the config or from a fixed list, never from a
// request (security row D11). Not the text that Prometheus reads: that is control/prometheus.h.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/cause.h"
#include "base/counter.h"
#include "base/histogram.h"
#include "http/grpc.h"
#include "http/h2/counters.h"
#include "http/websocket/frame_meter.h"
#include "net/tls/fault.h"

namespace sluice::gateway {

// Every cause there is, numbered. Made once at start, before the workers; immutable, read by all threads.
class CauseTable {
 public:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  // `lists`: http::causes(), gateway::causes() and those of the policy kinds. Duplicates are counted once.
  explicit CauseTable(std::span<const std::span<const Cause* const>> lists);

  // `none` for null; the number of "other" for a cause that is in none of the lists. Cost: ~2 ns.
  std::uint32_t index_of(const Cause* cause) const;
  std::size_t size() const { return causes_.size() + 1; }
  // The label: Cause::code, or "other".
  std::string_view code(std::size_t index) const { return index < causes_.size() ? causes_[index]->code : "other"; }

 private:
  struct Entry {
    const Cause* cause = nullptr;
    std::uint32_t index = 0;
  };
  static std::size_t hash(const Cause* cause);

  std::vector<const Cause*> causes_;
  std::vector<Entry> places_;  // open addressing, at most half full
};

// Small numbers for the names of listeners, the same for the life of the process. Control thread only: the plan carries
// the numbers to the workers. The last number is shared by all names beyond the cap.
class ListenerNumbers {
 public:
  static constexpr std::uint32_t most = 32;

  std::uint32_t number_of(std::string_view name);
  std::string_view name(std::uint32_t number) const;

 private:
  std::vector<std::string> names_;
};

// One worker's counts that belong to no route. Written on its thread, read by any.
struct alignas(64) WorkerMetrics {
  explicit WorkerMetrics(const CauseTable& table) : causes(table.size()) {}

  void connection_opened() {
    connections_accepted.add();
    connections_open.add();
  }
  void connection_closed() { connections_open.subtract(); }
  void answered_here(std::uint32_t cause) {
    if (cause < causes.size()) causes[cause].add();
  }

  Counter connections_accepted;
  Gauge connections_open;
  Counter requests_begun;
  Gauge requests_in_flight;
  Counter client_bytes_in;  // on the wire, heads included
  Counter client_bytes_out;
  Counter upstream_bytes_in;
  Counter upstream_bytes_out;
  Counter retries;          // attempts after the first
  Counter retries_refused;  // by a retry budget
  // What limits did: limits_config.h.
  Counter refused_connections, refused_client_connections;  // past all, past one client's
  Counter idle_closed_for_room, idle_closed_for_memory, idle_closed_for_descriptors;
  Counter shed_for_memory, shed_for_lag, shed_for_requests;  // requests
  Counter accept_pauses;
  Gauge is_shedding, is_accept_paused;  // 1 or 0
  Gauge loop_lag_ns;                    // the last measured
  Gauge memory_bytes, memory_limit_bytes;
  Counter proxy_headers, proxy_headers_malformed, proxy_headers_late;  // read; refused
  Counter websockets_opened;
  Counter event_streams_opened;
  Gauge websockets_open, event_streams_open;
  http::websocket::FrameCounts websocket_from_client, websocket_from_upstream;
  // TLS with clients.
  std::array<std::array<Counter, 2>, 2> tls_handshakes;  // done, by [version is 1.3][is resumed]
  Gauge tls_handshakes_open;
  static constexpr std::size_t tls_faults = 16;
  std::array<Counter, tls_faults> tls_failures;  // of handshakes, by the order of net::tls::faults(); the last: others
  // The place of its reason in tls_failures, and the label of that.
  static std::size_t tls_fault_number(const Error& error);
  static const char* tls_fault_name(std::size_t number);
  http::h2::ServerCounters http2;
  std::vector<Counter> causes;  // by CauseTable index
};

// Statistics of one route, kept under its name over reloads. Memory is taken by a worker only when it first serves the
// route: 50,000 idle routes cost little.
class RouteStats {
 public:
  static constexpr std::size_t class_count = 5;  // 1xx ... 5xx
  static constexpr std::uint8_t not_grpc = 255;
  using ByGrpcStatus = std::array<Counter, http::grpc::status_count>;

  // One finished exchange.
  struct Sample {
    std::size_t worker = 0;
    std::uint32_t listener = 0;  // ListenerNumbers
    int status = 0;              // above 599 counts as 5xx
    Duration duration{};
    std::uint64_t request_bytes = 0;
    std::uint64_t response_bytes = 0;
    std::uint32_t cause = CauseTable::none;
    std::uint8_t grpc_status = not_grpc;
  };
  // Summed over the workers.
  struct Totals {
    struct ByListener {
      std::uint32_t listener;
      std::array<std::uint64_t, class_count> by_class;
    };
    std::vector<ByListener> requests;  // listeners that served the route, in order of their number
    HistogramTotals durations;
    std::uint64_t request_bytes = 0;
    std::uint64_t response_bytes = 0;
    std::vector<std::uint64_t> causes;  // by CauseTable index; empty when the gateway never answered here
    std::vector<std::uint64_t> grpc;    // by status; empty when no request was of gRPC
    bool is_used() const { return !requests.empty(); }
  };

  RouteStats(std::string name, std::size_t workers, std::size_t causes);
  RouteStats(const RouteStats&) = delete;
  RouteStats& operator=(const RouteStats&) = delete;
  ~RouteStats();

  const std::string& name() const { return name_; }
  // On the thread of worker `sample.worker` (< workers). Allocates at the first request of a worker, listener or cause
  // here; afterwards ~15 ns.
  void record(const Sample& sample);
  // A long stream has ended whose opening was recorded: only its bytes and its cause are added.
  void record_stream(const Sample& sample);
  // Any thread. Cost: O(workers), a few microseconds.
  Totals totals() const;

 private:
  struct Slot;
  Slot& slot(const Sample& sample);
  std::atomic<Slot*>& place_of(std::size_t worker) const {
    return worker < first_slots_.size() ? first_slots_[worker] : more_slots_[worker - first_slots_.size()];
  }

  // By worker; null until it serves the route. The first stand here, which spares a cache line.
  mutable std::array<std::atomic<Slot*>, 4> first_slots_{};
  const std::string name_;
  const std::size_t workers_;
  const std::size_t causes_;
  const std::unique_ptr<std::atomic<Slot*>[]> more_slots_;
};

// Finds a route's statistics again when the next plan is compiled. Control thread only. Keeps nothing alive by itself:
// a route that no plan has any more is forgotten, and its numbers with it.
class RouteStatsStore {
 public:
  RouteStatsStore(std::size_t workers, std::size_t causes) : workers_(workers), causes_(causes) {}

  // The statistics under `name`, made when there are none.
  std::shared_ptr<RouteStats> find_or_make(std::string_view name);
  // All that some plan still uses, by name.
  std::vector<std::shared_ptr<const RouteStats>> all();

 private:
  const std::size_t workers_;
  const std::size_t causes_;
  std::unordered_map<std::string, std::weak_ptr<RouteStats>> by_name_;
};

}  // namespace sluice::gateway
