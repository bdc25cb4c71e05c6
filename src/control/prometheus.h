#pragma once
// The gateway's numbers as the text that Prometheus scrapes. Pure functions of what they are given.
//   source  Prometheus text exposition format 0.0.4

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/histogram.h"
#include "control/log_writer.h"
#include "gateway/metrics.h"

namespace sluice::control {

inline constexpr std::string_view prometheus_content_type = "text/plain; version=0.0.4; charset=utf-8";

enum class MetricType : std::uint8_t { counter, gauge, histogram };

// One metric family: the source of # HELP, # TYPE and of the manual's table.
struct MetricInfo {
  std::string_view name;
  MetricType type;
  std::string_view help;    // one sentence, no line break
  std::string_view labels;  // comma-separated names, for the manual
};
// In the order in which they are rendered.
std::span<const MetricInfo> metric_infos();

// Builds the text. family() first, then its samples.
class PrometheusText {
 public:
  using Label = std::pair<std::string_view, std::string_view>;  // name, value; values are escaped
  using Labels = std::initializer_list<Label>;

  void family(const MetricInfo& info);
  void sample(Labels labels, std::uint64_t value);
  void sample(Labels labels, std::int64_t value);
  void sample(Labels labels, double value);
  // _bucket, _sum and _count, in seconds.
  void histogram(Labels labels, const HistogramTotals& totals);
  std::string take() { return std::move(text_); }

 private:
  void line(std::string_view suffix, Labels labels, std::string_view bound, std::string_view value);

  std::string text_;
  std::string_view name_;
};

// One endpoint of an upstream, as of now.
struct EndpointSnapshot {
  struct Failure {
    std::string_view kind;  // from a fixed list: "connect_failed", "timed_out" ...
    std::uint64_t count;
  };
  std::string_view upstream;
  std::string_view endpoint;  // address:port
  std::uint64_t requests = 0;
  std::uint64_t connects = 0;  // attempts
  std::int64_t in_flight = 0;
  bool is_set_aside = false;
  std::uint64_t times_set_aside = 0;
  std::uint64_t pending = 0;  // connections being made
  std::uint64_t pending_refused = 0;
  std::span<const Failure> failures;
};

// One upstream of the plan in force.
struct UpstreamSnapshot {
  std::string_view upstream;
  bool is_panicking = false;
  bool is_insecure = false;  // its certificates are not looked at
};

// The workers' connection pools, summed.
struct PoolSnapshot {
  std::uint64_t connects = 0;  // attempts
  std::uint64_t connect_failures = 0;
  std::uint64_t reuses = 0;  // exchanges that found an idle connection
  std::uint64_t closed_idle = 0;
  std::uint64_t closed_age = 0;
  std::int64_t idle = 0;
  std::int64_t open = 0;
};

struct ConfigSnapshot {
  std::uint64_t generation = 0;
  bool is_last_reload_good = true;
  std::uint64_t reloads_accepted = 0;
  std::uint64_t reloads_refused = 0;
  std::uint64_t reloads_unchanged = 0;
  WallTime loaded_at{};       // when the running plan came into force
  bool is_last_good = false;  // not what the file says
  bool is_proven = false;     // has run long enough to be called good
  std::uint64_t plans_live = 0;
};

// One certificate in service.
struct CertificateSnapshot {
  std::string_view listener;
  std::string_view name;  // the first of those it is for
  std::string_view key;   // "ecdsa", "rsa", "ed25519"
  std::int64_t seconds_left = 0;
  std::optional<std::int64_t> staple_seconds_left{};  // of its OCSP response; absent when it has none
};

// Something else that goes out of date, and whose it is.
struct ExpirySnapshot {
  std::string name;  // of the listener or upstream
  std::int64_t seconds_left = 0;
};

// The gateway process and its supervisor.
struct ProcessSnapshot {
  std::uint64_t crashes = 0;
  std::uint64_t stuck = 0;
  std::uint64_t upgrades = 0;
  std::uint64_t failed_upgrades = 0;
  std::uint64_t stalls = 0;
  std::uint64_t descriptor_limit = 0;
};

struct MetricsInput {
  std::string_view version;
  std::string_view loop;  // "uring", "epoll"
  const gateway::CauseTable* causes = nullptr;
  const gateway::ListenerNumbers* listeners = nullptr;
  std::span<const gateway::WorkerMetrics* const> workers;
  std::span<const std::shared_ptr<const gateway::RouteStats>> routes;
  std::span<const EndpointSnapshot> endpoints;
  std::span<const UpstreamSnapshot> upstreams;
  std::span<const CertificateSnapshot> certificates;
  std::span<const ExpirySnapshot> upstream_certificates;  // that upstreams are shown
  std::span<const ExpirySnapshot> revocation_lists;       // of listeners
  std::uint64_t certificates_refused = 0;
  std::uint64_t policy_files_refused = 0;
  std::uint64_t staples_fetched = 0, staples_failed = 0;
  PoolSnapshot pool;
  std::uint64_t max_connections = 0;
  ConfigSnapshot config;
  ProcessSnapshot process;
  LogWriterStats log;
};

// The whole page. Routes that were never asked for are left out. Control thread. Cost: ~5 us a used route.
std::string render_metrics(const MetricsInput& input);

}  // namespace sluice::control
