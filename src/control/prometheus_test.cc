#include "control/prometheus.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::control {
namespace {

constexpr Cause no_route{"no_route", 404, Side::client, "", ""};
constexpr const Cause* causes[] = {&no_route};

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

TEST(Prometheus, EscapesLabelsAndHelp) {
  PrometheusText text;
  text.family({"m", MetricType::gauge, "a\\b\nc \"d\"", ""});
  text.sample({{"l", "a\\b\nc \"d\""}, {"k", ""}}, std::int64_t{-3});
  text.sample({}, 0.25);
  EXPECT_EQ(text.take(),
            "# HELP m a\\\\b\\nc \"d\"\n# TYPE m gauge\nm{l=\"a\\\\b\\nc \\\"d\\\"\",k=\"\"} -3\nm 0.25\n");
}

TEST(Prometheus, HistogramIsCumulativeAndInSeconds) {
  Histogram histogram;
  histogram.record(std::chrono::milliseconds(1));
  histogram.record(std::chrono::milliseconds(20));
  histogram.record(std::chrono::minutes(5));
  HistogramTotals totals;
  totals.add(histogram);
  PrometheusText text;
  text.family({"d", MetricType::histogram, "h", "r"});
  text.histogram({{"r", "x"}}, totals);
  const auto lines = lines_of(text.take());
  ASSERT_EQ(lines.size(), 2 + sluice::histogram::bucket_count + 2);
  EXPECT_EQ(lines[2], "d_bucket{r=\"x\",le=\"0.00025\"} 0");
  EXPECT_EQ(lines[4], "d_bucket{r=\"x\",le=\"0.001\"} 1");
  EXPECT_EQ(lines[8], "d_bucket{r=\"x\",le=\"0.025\"} 2");
  EXPECT_EQ(lines[19], "d_bucket{r=\"x\",le=\"60\"} 2");
  EXPECT_EQ(lines[20], "d_bucket{r=\"x\",le=\"+Inf\"} 3");
  EXPECT_EQ(lines[21], "d_sum{r=\"x\"} 300.021");
  EXPECT_EQ(lines[22], "d_count{r=\"x\"} 3");
}

class Page : public testing::Test {
 protected:
  Page() {
    const std::uint32_t listener = listeners_.number_of("public");
    one_.requests_begun.add(5);
    two_.requests_begun.add(2);
    one_.requests_in_flight.add(1);
    two_.client_bytes_out.add(100);
    one_.answered_here(table_.index_of(&no_route));
    one_.connection_opened();
    one_.connection_closed();
    user_->record({.listener = listener, .status = 200, .duration = std::chrono::milliseconds(3), .response_bytes = 7});
    user_->record({.listener = listener, .status = 404, .cause = 0});
  }
  std::string render() {
    const gateway::WorkerMetrics* const workers[] = {&one_, &two_};
    const std::shared_ptr<const gateway::RouteStats> routes[] = {unused_, user_};
    const EndpointSnapshot::Failure failures[] = {{"timed_out", 4}};
    const EndpointSnapshot endpoints[] = {{.upstream = "users",
                                           .endpoint = "10.0.0.7:80",
                                           .requests = 9,
                                           .connects = 3,
                                           .in_flight = 2,
                                           .is_set_aside = true,
                                           .times_set_aside = 1,
                                           .failures = failures}};
    return render_metrics(
        {.version = "0.1.0",
         .loop = "epoll",
         .causes = &table_,
         .listeners = &listeners_,
         .workers = workers,
         .routes = routes,
         .endpoints = endpoints,
         .pool = {.reuses = 11, .idle = 5},
         .config = {.generation = 4, .is_last_reload_good = false, .reloads_refused = 1, .is_last_good = true},
         .process = {.crashes = 3, .stuck = 1, .upgrades = 2, .stalls = 8, .descriptor_limit = 20'000},
         .log = {.lines_dropped = 6, .is_failing = true}});
  }

  const std::span<const Cause* const> lists_[1] = {causes};
  gateway::CauseTable table_{lists_};
  gateway::ListenerNumbers listeners_;
  gateway::WorkerMetrics one_{table_};
  gateway::WorkerMetrics two_{table_};
  std::shared_ptr<gateway::RouteStats> user_ = std::make_shared<gateway::RouteStats>("user", 2, table_.size());
  std::shared_ptr<gateway::RouteStats> unused_ = std::make_shared<gateway::RouteStats>("unused", 2, table_.size());
};

TEST_F(Page, ShowsWhatWasCounted) {
  const auto lines = lines_of(render());
  const std::multiset<std::string> shown(lines.begin(), lines.end());
  for (const char* line : {
           "sluice_build_info{version=\"0.1.0\",loop=\"epoll\"} 1",
           "sluice_config_generation 4",
           "sluice_config_last_reload_success 0",
           "sluice_config_reloads_total{result=\"refused\"} 1",
           "sluice_config_is_last_good 1",
           "sluice_config_is_proven 0",
           "sluice_gateway_restarts_total{reason=\"crashed\"} 3",
           "sluice_gateway_restarts_total{reason=\"stuck\"} 1",
           "sluice_upgrades_total{result=\"done\"} 2",
           "sluice_upgrades_total{result=\"failed\"} 0",
           "sluice_worker_stalls_total 8",
           "sluice_file_descriptors_limit 20000",
           "sluice_connections_total 1",
           "sluice_connections_open 0",
           "sluice_requests_begun_total 7",
           "sluice_requests_in_flight 1",
           "sluice_client_bytes_total{direction=\"out\"} 100",
           "sluice_gateway_answers_total{cause=\"no_route\"} 1",
           "sluice_gateway_answers_total{cause=\"other\"} 0",
           "sluice_requests_total{listener=\"public\",route=\"user\",status=\"2xx\"} 1",
           "sluice_requests_total{listener=\"public\",route=\"user\",status=\"4xx\"} 1",
           "sluice_requests_total{listener=\"public\",route=\"user\",status=\"5xx\"} 0",
           "sluice_request_duration_seconds_bucket{route=\"user\",le=\"0.005\"} 2",
           "sluice_response_bytes_total{route=\"user\"} 7",
           "sluice_route_answers_total{route=\"user\",cause=\"no_route\"} 1",
           "sluice_upstream_connects_total{upstream=\"users\",endpoint=\"10.0.0.7:80\"} 3",
           "sluice_endpoint_in_flight{upstream=\"users\",endpoint=\"10.0.0.7:80\"} 2",
           "sluice_endpoint_set_aside{upstream=\"users\",endpoint=\"10.0.0.7:80\"} 1",
           "sluice_endpoint_failures_total{upstream=\"users\",endpoint=\"10.0.0.7:80\",kind=\"timed_out\"} 4",
           "sluice_pool_reuses_total 11",
           "sluice_pool_idle 5",
           "sluice_log_lines_dropped_total 6",
           "sluice_log_failing 1",
       })
    EXPECT_EQ(shown.count(line), 1u) << line;
}

TEST_F(Page, HasEachFamilyOfTheTableOnceAndItsSamplesBehindIt) {
  std::string family;
  std::vector<std::string> families;
  for (const std::string& line : lines_of(render())) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      families.push_back(family);
    } else if (!line.starts_with("# TYPE ")) {
      EXPECT_TRUE(line.starts_with(family)) << line;
    }
    EXPECT_EQ(line.find("unused"), std::string::npos) << line;
  }
  ASSERT_EQ(families.size(), metric_infos().size());
  for (std::size_t i = 0; i < families.size(); ++i) {
    EXPECT_EQ(families[i], metric_infos()[i].name);
    EXPECT_EQ(metric_infos()[i].type == MetricType::counter, families[i].ends_with("_total")) << families[i];
  }
}

}  // namespace
}  // namespace sluice::control
