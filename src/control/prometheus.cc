#include "control/prometheus.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace sluice::control {
namespace {

using enum MetricType;

// ---- the table: an entry for each family, in the order of the page

enum class Metric : std::uint8_t {
  build_info,
  config_generation,
  config_loaded,
  config_last_reload,
  config_reloads,
  config_plans,
  config_is_last_good,
  config_is_proven,
  gateway_restarts,
  upgrades,
  worker_stalls,
  descriptor_limit,
  connections,
  connections_open,
  connections_limit,
  connections_refused,
  connections_shed,
  proxy_headers,
  accept_paused,
  accept_pauses,
  requests_begun,
  requests_in_flight,
  requests_shed,
  overloaded,
  loop_lag,
  memory,
  memory_limit,
  tls_handshakes,
  tls_handshakes_open,
  tls_handshake_failures,
  tls_certificate_expiry,
  tls_ocsp_expiry,
  tls_ocsp_fetches,
  tls_upstream_certificate_expiry,
  tls_revocation_list_expiry,
  tls_certificates_refused,
  policy_files_refused,
  client_bytes,
  upstream_bytes,
  http2_connections,
  http2_connections_open,
  http2_streams,
  http2_streams_open,
  http2_glitches,
  http2_calmed,
  http2_refused,
  http2_stalled,
  http2_memory,
  retries,
  retries_refused,
  websockets,
  websockets_open,
  websocket_frames,
  event_streams,
  event_streams_open,
  gateway_answers,
  requests,
  request_duration,
  request_bytes,
  response_bytes,
  route_answers,
  grpc_requests,
  upstream_connects,
  endpoint_requests,
  endpoint_in_flight,
  endpoint_set_aside,
  endpoint_set_asides,
  endpoint_failures,
  endpoint_pending,
  endpoint_pending_refused,
  upstream_panic,
  upstream_insecure,
  pool_connects,
  pool_connect_failures,
  pool_reuses,
  pool_closed,
  pool_idle,
  pool_open,
  log_lines,
  log_dropped,
  log_bytes,
  log_errors,
  log_failing
};
constexpr auto infos = std::to_array<MetricInfo>({
    {"sluice_build_info", gauge, "Always 1; the labels say what is running.", "version, loop"},
    {"sluice_config_generation", gauge, "Generation of the plan in force; each accepted change adds one.", ""},
    {"sluice_config_loaded_timestamp_seconds", gauge, "When the plan in force came into force, in seconds since 1970.",
     ""},
    {"sluice_config_last_reload_success", gauge,
     "1 when the last change of the config was accepted, 0 when it was refused.", ""},
    {"sluice_config_reloads_total", counter, "Changes of the config by result: accepted, refused, unchanged.",
     "result"},
    {"sluice_config_plans_live", gauge,
     "Plans in memory: the one in force, and older ones until their last exchange has ended.", ""},
    {"sluice_config_is_last_good", gauge,
     "1 while the last good config is in force instead of what the config file says, else 0.", ""},
    {"sluice_config_is_proven", gauge,
     "1 when the config in force has run without a crash for `--proven-after`, and so is the last good one, else 0.",
     ""},
    {"sluice_gateway_restarts_total", counter,
     "Gateway processes that died by themselves, or were replaced because they stood still, by reason: crashed, stuck.",
     "reason"},
    {"sluice_upgrades_total", counter, "Upgrades by result: done, failed (the running process went on).", "result"},
    {"sluice_worker_stalls_total", counter, "Times that a worker did not turn its loop for 100 ms.", ""},
    {"sluice_file_descriptors_limit", gauge, "File descriptors that the gateway process may open.", ""},
    {"sluice_connections_total", counter, "Client connections accepted.", ""},
    {"sluice_connections_open", gauge, "Client connections open now.", ""},
    {"sluice_connections_limit", gauge, "`limits.max_connections` in force.", ""},
    {"sluice_connections_refused_total", counter,
     "Connections turned away, by the limit they passed: max_connections, max_connections_per_client.", "limit"},
    {"sluice_connections_shed_total", counter,
     "Idle connections closed to make room, by what was short: max_connections, max_memory, file_descriptors.",
     "limit"},
    {"sluice_proxy_headers_total", counter,
     "PROXY headers of trusted proxies, by result: read, malformed (or none), late.", "result"},
    {"sluice_accept_paused", gauge, "Workers that accept no connection because memory is short.", ""},
    {"sluice_accept_pauses_total", counter, "Times that a worker stopped accepting because memory was short.", ""},
    {"sluice_requests_begun_total", counter, "Requests whose first byte has come, finished or not.", ""},
    {"sluice_requests_in_flight", gauge, "Requests begun and not finished.", ""},
    {"sluice_requests_shed_total", counter,
     "Requests refused because of overload, by the limit passed: max_memory, max_loop_lag, max_requests.", "limit"},
    {"sluice_overloaded", gauge, "Workers that refuse requests because of memory or lag.", ""},
    {"sluice_loop_lag_seconds", gauge,
     "How long an event waited for its worker when last measured; of all workers the "
     "longest.",
     ""},
    {"sluice_memory_bytes", gauge, "Memory of buffers, requests and connections, as `limits.max_memory` counts it.",
     ""},
    {"sluice_memory_limit_bytes", gauge, "`limits.max_memory` in force.", ""},
    {"sluice_tls_handshakes_total", counter,
     "TLS handshakes done with clients, by version and whether a session was resumed.", "version, resumed"},
    {"sluice_tls_handshakes_open", gauge, "TLS handshakes with clients that are not done yet.", ""},
    {"sluice_tls_handshake_failures_total", counter,
     "TLS handshakes with clients that failed, by reason: timeout (`handshake_timeout`), closed, not_tls, "
     "no_shared_version, no_shared_cipher, no_shared_protocol, alert (the client refused), "
     "client_certificate, malformed, gateway, truncated, flood, other.",
     "reason"},
    {"sluice_tls_certificate_expiry_seconds", gauge,
     "Seconds until the certificate in service expires, negative when it has.", "listener, name, key"},
    {"sluice_tls_ocsp_expiry_seconds", gauge,
     "Seconds until the OCSP response that is stapled for the certificate is out of date; from 0 on it is not shown "
     "any more.",
     "listener, name, key"},
    {"sluice_tls_ocsp_fetches_total", counter,
     "Times that an authority was asked what it says of a certificate (OCSP), by result: good, failed.", "result"},
    {"sluice_tls_upstream_certificate_expiry_seconds", gauge,
     "Seconds until the certificate that the upstream is shown expires, negative when it has.", "upstream"},
    {"sluice_tls_revocation_list_expiry_seconds", gauge,
     "Seconds until the first list of revoked client certificates is out of date; from 0 on nobody is let in.",
     "listener"},
    {"sluice_tls_certificates_refused_total", counter,
     "Times that a changed file was refused (certificate, key, OCSP response, authorities, list of revoked "
     "certificates, ticket keys), and what was before stayed in service.",
     ""},
    {"sluice_policy_files_refused_total", counter,
     "Times that a changed file of a policy was refused, and what it held before stayed in force.", ""},
    {"sluice_client_bytes_total", counter, "Bytes on client connections, heads included: in is received, out is sent.",
     "direction"},
    {"sluice_upstream_bytes_total", counter,
     "Bytes on upstream connections, heads included: in is received, out is sent.", "direction"},
    {"sluice_http2_connections_total", counter, "Client connections that turned out to speak HTTP/2.", ""},
    {"sluice_http2_connections_open", gauge, "Of these, open now.", ""},
    {"sluice_http2_streams_total", counter, "Streams that clients opened.", ""},
    {"sluice_http2_streams_open", gauge, "Streams open now.", ""},
    {"sluice_http2_glitches_total", counter,
     "Odd frames of clients, which spend `http2.max_glitches`, by kind: client_reset, server_reset, control_frame, "
     "window_update, empty_frame, refused_stream, field_excess, window_stall.",
     "kind"},
    {"sluice_http2_calmed_total", counter,
     "Connections ended with ENHANCE_YOUR_CALM because `http2.max_glitches` was used up.", ""},
    {"sluice_http2_streams_refused_total", counter, "Streams refused by `http2.max_memory`.", ""},
    {"sluice_http2_streams_stalled_total", counter,
     "Streams reset because their client opened no window for `http2.window_stall_timeout`, or too little.", ""},
    {"sluice_http2_memory_bytes", gauge, "Memory of the HTTP/2 machinery, part of `sluice_memory_bytes`.", ""},
    {"sluice_retries_total", counter, "Attempts after the first of an exchange.", ""},
    {"sluice_retries_refused_total", counter, "Attempts that an upstream's `retry_budget` did not allow.", ""},
    {"sluice_websockets_total", counter, "WebSockets opened.", ""},
    {"sluice_websockets_open", gauge, "WebSockets open now.", ""},
    {"sluice_websocket_frames_total", counter,
     "Frames that passed, by who sent them and their kind: continuation, text, binary, close, ping, pong.",
     "from, kind"},
    {"sluice_event_streams_total", counter, "Event streams (text/event-stream) begun.", ""},
    {"sluice_event_streams_open", gauge, "Event streams open now.", ""},
    {"sluice_gateway_answers_total", counter,
     "Answers that the gateway itself made, and exchanges that it cut, by cause.", "cause"},
    {"sluice_requests_total", counter,
     "Exchanges finished, by class of the status. Only routes that were asked for are shown.",
     "listener, route, status"},
    {"sluice_request_duration_seconds", histogram, "From the first byte of the request to the last of the response.",
     "route"},
    {"sluice_request_bytes_total", counter, "Bytes of requests received, heads included.", "route"},
    {"sluice_response_bytes_total", counter, "Bytes of responses sent, heads included.", "route"},
    {"sluice_route_answers_total", counter,
     "Answers that the gateway itself made, by route and cause. Only causes that happened are shown.", "route, cause"},
    {"sluice_grpc_requests_total", counter,
     "Calls of gRPC finished, by the number of their status. 2 (unknown) is also an answer without one. Only those "
     "that "
     "happened are shown.",
     "route, grpc_status"},
    {"sluice_upstream_connects_total", counter, "Connections tried to the endpoint.", "upstream, endpoint"},
    {"sluice_endpoint_requests_total", counter, "Attempts sent to the endpoint.", "upstream, endpoint"},
    {"sluice_endpoint_in_flight", gauge, "Attempts that the endpoint has not finished, over all workers.",
     "upstream, endpoint"},
    {"sluice_endpoint_set_aside", gauge, "1 while the endpoint is set aside after failures, else 0.",
     "upstream, endpoint"},
    {"sluice_endpoint_set_asides_total", counter, "Times that the endpoint was set aside.", "upstream, endpoint"},
    {"sluice_endpoint_failures_total", counter,
     "Attempts that failed, by kind. An answer with a 5xx status is no failure.", "upstream, endpoint, kind"},
    {"sluice_endpoint_pending", gauge, "Connections to the endpoint that are being made.", "upstream, endpoint"},
    {"sluice_endpoint_pending_refused_total", counter,
     "Attempts for which no connection was tried: `max_pending` of them were being made.", "upstream, endpoint"},
    {"sluice_upstream_panic", gauge,
     "1 while so few endpoints are in service (health.panic_below) that requests are spread over all, else 0.",
     "upstream"},
    {"sluice_upstream_insecure", gauge,
     "1 while the upstream's certificates are not looked at (`insecure_skip_verify`), else 0.", "upstream"},
    {"sluice_pool_connects_total", counter, "Upstream connections tried.", ""},
    {"sluice_pool_connect_failures_total", counter, "Upstream connections that could not be made.", ""},
    {"sluice_pool_reuses_total", counter, "Attempts that found an idle upstream connection.", ""},
    {"sluice_pool_closed_total", counter, "Idle upstream connections closed, by why: idle, age.", "reason"},
    {"sluice_pool_idle", gauge, "Upstream connections idle now.", ""},
    {"sluice_pool_open", gauge, "Upstream connections open now, idle or not.", ""},
    {"sluice_log_lines_total", counter, "Lines written to the access log.", ""},
    {"sluice_log_lines_dropped_total", counter, "Lines lost because the log's sink was too slow or failed.", ""},
    {"sluice_log_bytes_total", counter, "Bytes written to the access log.", ""},
    {"sluice_log_write_errors_total", counter, "Failed attempts to open or write the access log.", ""},
    {"sluice_log_failing", gauge, "1 while the access log cannot be written, else 0.", ""},
});
static_assert(infos.back().name == "sluice_log_failing" &&
              static_cast<std::size_t>(Metric::log_failing) + 1 == infos.size());

constexpr const MetricInfo& info(Metric metric) { return infos[static_cast<std::size_t>(metric)]; }

constexpr std::array<std::string_view, gateway::RouteStats::class_count> class_names{"1xx", "2xx", "3xx", "4xx", "5xx"};

void append_escaped(std::string& out, std::string_view text, bool is_label) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && is_label) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

// The shortest text that reads back as the same number.
template <class Number>
struct NumberText {
  explicit NumberText(Number value)
      : size(static_cast<std::size_t>(std::to_chars(text, text + sizeof text, value).ptr - text)) {}
  operator std::string_view() const { return {text, size}; }
  char text[32];
  std::size_t size;
};

std::string_view type_name(MetricType type) {
  switch (type) {
    case counter:
      return "counter";
    case gauge:
      return "gauge";
    case histogram:
      return "histogram";
  }
  return "untyped";
}

}  // namespace

std::span<const MetricInfo> metric_infos() { return infos; }

// ---- PrometheusText

void PrometheusText::family(const MetricInfo& info) {
  name_ = info.name;
  text_ += "# HELP ";
  text_ += name_;
  text_ += ' ';
  append_escaped(text_, info.help, false);
  text_ += "\n# TYPE ";
  text_ += name_;
  text_ += ' ';
  text_ += type_name(info.type);
  text_ += '\n';
}

void PrometheusText::line(std::string_view suffix, Labels labels, std::string_view bound, std::string_view value) {
  text_ += name_;
  text_ += suffix;
  char before = '{';
  const auto put = [&](std::string_view name, std::string_view label) {
    text_ += before;
    before = ',';
    text_ += name;
    text_ += "=\"";
    append_escaped(text_, label, true);
    text_ += '"';
  };
  for (const auto& [name, label] : labels) put(name, label);
  if (!bound.empty()) put("le", bound);
  if (before == ',') text_ += '}';
  text_ += ' ';
  text_ += value;
  text_ += '\n';
}

void PrometheusText::sample(Labels labels, std::uint64_t value) { line("", labels, "", NumberText(value)); }
void PrometheusText::sample(Labels labels, std::int64_t value) { line("", labels, "", NumberText(value)); }
void PrometheusText::sample(Labels labels, double value) { line("", labels, "", NumberText(value)); }

void PrometheusText::histogram(Labels labels, const HistogramTotals& totals) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < totals.buckets.size(); ++i) {
    sum += totals.buckets[i];
    const bool is_last = i == sluice::histogram::bounds_ns.size();
    const double bound = is_last ? 0 : static_cast<double>(sluice::histogram::bounds_ns[i]) / 1e9;
    line("_bucket", labels, is_last ? std::string_view("+Inf") : std::string_view(NumberText(bound)), NumberText(sum));
  }
  line("_sum", labels, "", NumberText(static_cast<double>(totals.sum_ns) / 1e9));
  line("_count", labels, "", NumberText(sum));
}

// ---- the page

namespace {

using gateway::WorkerMetrics;

// One family at a time: the format wants all samples of a family together.
class Page {
 public:
  explicit Page(const MetricsInput& input) : in_(input) {}

  std::string render() {
    build_and_config();
    process();
    workers();
    routes();
    endpoints();
    pool();
    log();
    return text_.take();
  }

 private:
  template <class Number>
  void single(Metric metric, Number value) {
    text_.family(info(metric));
    text_.sample({}, value);
  }
  std::uint64_t sum(Counter WorkerMetrics::* member) const {
    std::uint64_t sum = 0;
    for (const WorkerMetrics* worker : in_.workers) sum += (worker->*member).value();
    return sum;
  }
  std::int64_t sum(Gauge WorkerMetrics::* member) const {
    std::int64_t sum = 0;
    for (const WorkerMetrics* worker : in_.workers) sum += (worker->*member).value();
    return sum;
  }
  void by_limit(Metric metric, std::initializer_list<std::pair<std::string_view, Counter WorkerMetrics::*>> counters) {
    text_.family(info(metric));
    for (const auto& [limit, counter] : counters) text_.sample({{"limit", limit}}, sum(counter));
  }
  void both_directions(Metric metric, Counter WorkerMetrics::* in, Counter WorkerMetrics::* out) {
    text_.family(info(metric));
    text_.sample({{"direction", "in"}}, sum(in));
    text_.sample({{"direction", "out"}}, sum(out));
  }

  void build_and_config() {
    text_.family(info(Metric::build_info));
    text_.sample({{"version", in_.version}, {"loop", in_.loop}}, std::uint64_t{1});
    single(Metric::config_generation, in_.config.generation);
    const std::chrono::duration<double> loaded = in_.config.loaded_at.time_since_epoch();
    single(Metric::config_loaded, loaded.count());
    single(Metric::config_last_reload, std::uint64_t{in_.config.is_last_reload_good});
    text_.family(info(Metric::config_reloads));
    text_.sample({{"result", "accepted"}}, in_.config.reloads_accepted);
    text_.sample({{"result", "refused"}}, in_.config.reloads_refused);
    text_.sample({{"result", "unchanged"}}, in_.config.reloads_unchanged);
    single(Metric::config_plans, in_.config.plans_live);
    single(Metric::config_is_last_good, std::uint64_t{in_.config.is_last_good});
    single(Metric::config_is_proven, std::uint64_t{in_.config.is_proven});
  }

  void process() {
    text_.family(info(Metric::gateway_restarts));
    text_.sample({{"reason", "crashed"}}, in_.process.crashes);
    text_.sample({{"reason", "stuck"}}, in_.process.stuck);
    text_.family(info(Metric::upgrades));
    text_.sample({{"result", "done"}}, in_.process.upgrades);
    text_.sample({{"result", "failed"}}, in_.process.failed_upgrades);
    single(Metric::worker_stalls, in_.process.stalls);
    single(Metric::descriptor_limit, in_.process.descriptor_limit);
  }

  void streams() {
    single(Metric::websockets, sum(&WorkerMetrics::websockets_opened));
    single(Metric::websockets_open, sum(&WorkerMetrics::websockets_open));
    text_.family(info(Metric::websocket_frames));
    using http::websocket::FrameCounts;
    for (const auto& [from, member] : {std::pair{"client", &WorkerMetrics::websocket_from_client},
                                       std::pair{"upstream", &WorkerMetrics::websocket_from_upstream}}) {
      for (std::size_t kind = 0; kind < FrameCounts::kinds; ++kind) {
        std::uint64_t frames = 0;
        for (const WorkerMetrics* worker : in_.workers) frames += (worker->*member).frames[kind].value();
        text_.sample({{"from", from}, {"kind", FrameCounts::names[kind]}}, frames);
      }
    }
    single(Metric::event_streams, sum(&WorkerMetrics::event_streams_opened));
    single(Metric::event_streams_open, sum(&WorkerMetrics::event_streams_open));
  }

  void workers() {
    single(Metric::connections, sum(&WorkerMetrics::connections_accepted));
    single(Metric::connections_open, sum(&WorkerMetrics::connections_open));
    single(Metric::connections_limit, in_.max_connections);
    by_limit(Metric::connections_refused, {{"max_connections", &WorkerMetrics::refused_connections},
                                           {"max_connections_per_client", &WorkerMetrics::refused_client_connections}});
    by_limit(Metric::connections_shed, {{"max_connections", &WorkerMetrics::idle_closed_for_room},
                                        {"max_memory", &WorkerMetrics::idle_closed_for_memory},
                                        {"file_descriptors", &WorkerMetrics::idle_closed_for_descriptors}});
    text_.family(info(Metric::proxy_headers));
    text_.sample({{"result", "read"}}, sum(&WorkerMetrics::proxy_headers));
    text_.sample({{"result", "malformed"}}, sum(&WorkerMetrics::proxy_headers_malformed));
    text_.sample({{"result", "late"}}, sum(&WorkerMetrics::proxy_headers_late));
    single(Metric::accept_paused, sum(&WorkerMetrics::is_accept_paused));
    single(Metric::accept_pauses, sum(&WorkerMetrics::accept_pauses));
    single(Metric::requests_begun, sum(&WorkerMetrics::requests_begun));
    single(Metric::requests_in_flight, sum(&WorkerMetrics::requests_in_flight));
    by_limit(Metric::requests_shed, {{"max_memory", &WorkerMetrics::shed_for_memory},
                                     {"max_loop_lag", &WorkerMetrics::shed_for_lag},
                                     {"max_requests", &WorkerMetrics::shed_for_requests}});
    single(Metric::overloaded, sum(&WorkerMetrics::is_shedding));
    std::int64_t lag_ns = 0;
    for (const WorkerMetrics* worker : in_.workers) lag_ns = std::max(lag_ns, worker->loop_lag_ns.value());
    single(Metric::loop_lag, static_cast<double>(lag_ns) / 1e9);
    single(Metric::memory, sum(&WorkerMetrics::memory_bytes));
    single(Metric::memory_limit, sum(&WorkerMetrics::memory_limit_bytes));
    tls();
    both_directions(Metric::client_bytes, &WorkerMetrics::client_bytes_in, &WorkerMetrics::client_bytes_out);
    both_directions(Metric::upstream_bytes, &WorkerMetrics::upstream_bytes_in, &WorkerMetrics::upstream_bytes_out);
    http2();
    single(Metric::retries, sum(&WorkerMetrics::retries));
    single(Metric::retries_refused, sum(&WorkerMetrics::retries_refused));
    streams();
    text_.family(info(Metric::gateway_answers));
    for (std::size_t cause = 0; in_.causes != nullptr && cause < in_.causes->size(); ++cause) {
      std::uint64_t answers = 0;
      for (const WorkerMetrics* worker : in_.workers) answers += worker->causes[cause].value();
      text_.sample({{"cause", in_.causes->code(cause)}}, answers);
    }
  }

  void tls() {
    text_.family(info(Metric::tls_handshakes));
    for (const std::size_t version : {0u, 1u})
      for (const std::size_t resumed : {0u, 1u}) {
        std::uint64_t done = 0;
        for (const WorkerMetrics* worker : in_.workers) done += worker->tls_handshakes[version][resumed].value();
        text_.sample({{"version", version == 1 ? "1.3" : "1.2"}, {"resumed", resumed == 1 ? "yes" : "no"}}, done);
      }
    single(Metric::tls_handshakes_open, sum(&WorkerMetrics::tls_handshakes_open));
    text_.family(info(Metric::tls_handshake_failures));
    const auto faults = net::tls::faults();
    for (std::size_t at = 0; at <= faults.size(); ++at) {
      const bool is_other = at == faults.size();
      std::uint64_t failed = 0;
      for (const WorkerMetrics* worker : in_.workers)
        failed += worker->tls_failures[is_other ? WorkerMetrics::tls_faults - 1 : at].value();
      text_.sample({{"reason", is_other ? "other" : faults[at]->name}}, failed);
    }
    text_.family(info(Metric::tls_certificate_expiry));
    for (const CertificateSnapshot& one : in_.certificates)
      text_.sample({{"listener", one.listener}, {"name", one.name}, {"key", one.key}}, one.seconds_left);
    text_.family(info(Metric::tls_ocsp_expiry));
    for (const CertificateSnapshot& one : in_.certificates)
      if (one.staple_seconds_left)
        text_.sample({{"listener", one.listener}, {"name", one.name}, {"key", one.key}}, *one.staple_seconds_left);
    text_.family(info(Metric::tls_ocsp_fetches));
    text_.sample({{"result", "good"}}, in_.staples_fetched);
    text_.sample({{"result", "failed"}}, in_.staples_failed);
    text_.family(info(Metric::tls_upstream_certificate_expiry));
    for (const ExpirySnapshot& one : in_.upstream_certificates)
      text_.sample({{"upstream", one.name}}, one.seconds_left);
    text_.family(info(Metric::tls_revocation_list_expiry));
    for (const ExpirySnapshot& one : in_.revocation_lists) text_.sample({{"listener", one.name}}, one.seconds_left);
    single(Metric::tls_certificates_refused, in_.certificates_refused);
    single(Metric::policy_files_refused, in_.policy_files_refused);
  }

  template <class Number>
  auto sum_http2(Number http::h2::ServerCounters::* member) const {
    decltype((in_.workers[0]->http2.*member).value()) total = 0;
    for (const WorkerMetrics* worker : in_.workers) total += (worker->http2.*member).value();
    return total;
  }
  void http2() {
    using Counters = http::h2::ServerCounters;
    single(Metric::http2_connections, sum_http2(&Counters::connections));
    single(Metric::http2_connections_open, sum_http2(&Counters::connections_open));
    single(Metric::http2_streams, sum_http2(&Counters::streams));
    single(Metric::http2_streams_open, sum_http2(&Counters::streams_open));
    text_.family(info(Metric::http2_glitches));
    for (std::size_t kind = 0; kind < http::h2::oddity_count; ++kind) {
      std::uint64_t total = 0;
      for (const WorkerMetrics* worker : in_.workers) total += worker->http2.oddities[kind].value();
      text_.sample({{"kind", http::h2::oddity_name(static_cast<http::h2::Oddity>(kind))}}, total);
    }
    single(Metric::http2_calmed, sum_http2(&Counters::calmed));
    single(Metric::http2_refused, sum_http2(&Counters::refused_for_memory));
    single(Metric::http2_stalled, sum_http2(&Counters::stalled));
    single(Metric::http2_memory, sum_http2(&Counters::session_bytes));
  }

  struct UsedRoute {
    std::string_view name;
    gateway::RouteStats::Totals totals;
  };
  void routes() {
    std::vector<UsedRoute> used;
    for (const auto& route : in_.routes)
      if (auto totals = route->totals(); totals.is_used()) used.push_back({route->name(), std::move(totals)});

    text_.family(info(Metric::requests));
    for (const UsedRoute& route : used) requests_of(route);
    text_.family(info(Metric::request_duration));
    for (const UsedRoute& route : used) text_.histogram({{"route", route.name}}, route.totals.durations);
    text_.family(info(Metric::request_bytes));
    for (const UsedRoute& route : used) text_.sample({{"route", route.name}}, route.totals.request_bytes);
    text_.family(info(Metric::response_bytes));
    for (const UsedRoute& route : used) text_.sample({{"route", route.name}}, route.totals.response_bytes);
    text_.family(info(Metric::route_answers));
    for (const UsedRoute& route : used) {
      for (std::size_t cause = 0; in_.causes != nullptr && cause < route.totals.causes.size(); ++cause) {
        if (const std::uint64_t answers = route.totals.causes[cause]; answers > 0)
          text_.sample({{"route", route.name}, {"cause", in_.causes->code(cause)}}, answers);
      }
    }
    text_.family(info(Metric::grpc_requests));
    for (const UsedRoute& route : used) grpc(route);
  }
  void grpc(const UsedRoute& route) {
    for (std::size_t status = 0; status < route.totals.grpc.size(); ++status)
      if (const std::uint64_t count = route.totals.grpc[status]; count > 0)
        text_.sample({{"route", route.name}, {"grpc_status", std::to_string(status)}}, count);
  }
  // All five classes, so that a rate over a class is 0 rather than absent before its first exchange.
  void requests_of(const UsedRoute& route) {
    for (const auto& [listener, by_class] : route.totals.requests) {
      const std::string_view name = in_.listeners != nullptr ? in_.listeners->name(listener) : "other";
      for (std::size_t i = 0; i < by_class.size(); ++i)
        text_.sample({{"listener", name}, {"route", route.name}, {"status", class_names[i]}}, by_class[i]);
    }
  }

  template <class Number>
  void by_endpoint(Metric metric, Number EndpointSnapshot::* member) {
    text_.family(info(metric));
    for (const EndpointSnapshot& one : in_.endpoints)
      text_.sample({{"upstream", one.upstream}, {"endpoint", one.endpoint}}, one.*member);
  }
  void endpoints() {
    by_endpoint(Metric::upstream_connects, &EndpointSnapshot::connects);
    by_endpoint(Metric::endpoint_requests, &EndpointSnapshot::requests);
    by_endpoint(Metric::endpoint_in_flight, &EndpointSnapshot::in_flight);
    text_.family(info(Metric::endpoint_set_aside));
    for (const EndpointSnapshot& one : in_.endpoints)
      text_.sample({{"upstream", one.upstream}, {"endpoint", one.endpoint}}, std::uint64_t{one.is_set_aside});
    by_endpoint(Metric::endpoint_set_asides, &EndpointSnapshot::times_set_aside);
    text_.family(info(Metric::endpoint_failures));
    for (const EndpointSnapshot& one : in_.endpoints)
      for (const auto& [kind, count] : one.failures)
        text_.sample({{"upstream", one.upstream}, {"endpoint", one.endpoint}, {"kind", kind}}, count);
    by_endpoint(Metric::endpoint_pending, &EndpointSnapshot::pending);
    by_endpoint(Metric::endpoint_pending_refused, &EndpointSnapshot::pending_refused);
    text_.family(info(Metric::upstream_panic));
    for (const UpstreamSnapshot& one : in_.upstreams)
      text_.sample({{"upstream", one.upstream}}, std::uint64_t{one.is_panicking});
    text_.family(info(Metric::upstream_insecure));
    for (const UpstreamSnapshot& one : in_.upstreams)
      text_.sample({{"upstream", one.upstream}}, std::uint64_t{one.is_insecure});
  }

  void pool() {
    single(Metric::pool_connects, in_.pool.connects);
    single(Metric::pool_connect_failures, in_.pool.connect_failures);
    single(Metric::pool_reuses, in_.pool.reuses);
    text_.family(info(Metric::pool_closed));
    text_.sample({{"reason", "idle"}}, in_.pool.closed_idle);
    text_.sample({{"reason", "age"}}, in_.pool.closed_age);
    single(Metric::pool_idle, in_.pool.idle);
    single(Metric::pool_open, in_.pool.open);
  }

  void log() {
    single(Metric::log_lines, in_.log.lines_written);
    single(Metric::log_dropped, in_.log.lines_dropped);
    single(Metric::log_bytes, in_.log.bytes_written);
    single(Metric::log_errors, in_.log.write_errors);
    single(Metric::log_failing, std::uint64_t{in_.log.is_failing});
  }

  const MetricsInput& in_;
  PrometheusText text_;
};

}  // namespace

std::string render_metrics(const MetricsInput& input) { return Page(input).render(); }

}  // namespace sluice::control
