#include "gateway.h"

#include <algorithm>

#include "gateway/causes.h"
#include "http/causes.h"
#include "policy/kind.h"
#include "wire.h"

namespace sluice::sim {
namespace {

constexpr std::size_t ring_bytes = 1 << 18;
// Exchange::relay_window_bytes, one chunk more, and heads and framing beside it.
constexpr std::size_t most_unsent_bytes = 64 * 1024 + 16 * 1024 + 16 * 1024;

gateway::CauseTable all_causes() {
  std::vector<std::span<const Cause* const>> lists{http::causes(), gateway::causes()};
  for (const policy::Kind* kind : policy::kinds()) lists.push_back(kind->causes);
  return gateway::CauseTable(lists);
}

}  // namespace

net::Address listener_address(int number) { return *net::Address::parse("10.1.0.1:" + std::to_string(80 + number)); }

net::Address endpoint_address(int group, int number) {
  return *net::Address::parse("10.2." + std::to_string(group) + "." + std::to_string(number + 1) + ":9000");
}

std::string yaml_of(const Scenario& scenario, const Change& config) {
  const std::string times =
      "request_header_timeout: 1s, keep_alive_timeout: 6s, client_idle_timeout: 2s, http2: {max_concurrent_streams: " +
      std::to_string(scenario.max_streams) + ", stream_window: " + std::to_string(scenario.stream_window) +
      "B, connection_window: 64KiB}, websocket: {idle_timeout: 6s, send_timeout: 2s}";
  std::string text = "stream_close_spread: 1s\nlisteners:\n";
  const auto tls_of = [&](int listener) {
    if ((scenario.tls >> listener & 1) == 0) return std::string();
    return ", tls: {handshake_timeout: 2s, certificates: [{cert: " + certificate_files().certificate +
           ", key: " + certificate_files().key + "}]}";
  };
  for (int i = 0; i < (config.has_second_listener ? 2 : 1); ++i)
    text += "  - {name: l" + std::to_string(i) + ", bind: \"" + listener_address(i).text() + "\", " + times +
            tls_of(i) + "}\n";
  text += "limits: {exchange_buffer: " + std::to_string(scenario.exchange_buffer) + "B";
  if (scenario.max_connections > 0) text += ", max_connections: " + std::to_string(scenario.max_connections);
  if (scenario.max_requests > 0) text += ", max_requests: " + std::to_string(scenario.max_requests);
  if (scenario.max_memory > 0) text += ", max_memory: " + std::to_string(scenario.max_memory) + "B";
  text += "}\n";
  text +=
      "admin: {bind: \"127.0.0.1:1\"}\nglobal_policies:\n  - request_id: {}\n  - forwarded: {}\n  - body_limit: "
      "{max: " +
      std::to_string(body_limit) + "B}\nupstreams:\n";
  for (int group = 0; group < group_count; ++group) {
    text += "  u" + std::to_string(group) + ":\n    endpoints: [";
    for (int number = 0; number < endpoint_count; ++number)
      if ((config.endpoints[static_cast<std::size_t>(group)] >> number & 1) != 0)
        text += "\"" + endpoint_address(group, number).text() + "\", ";
    text += "]\n    protocol: " +
            std::string(protocol_names[static_cast<std::size_t>(config.protocols[static_cast<std::size_t>(group)])]) +
            "\n    balance: " + std::string(scenario.is_round_robin ? "round_robin" : "least_request") +
            "\n    connect_timeout: 1s\n    first_byte_timeout: 2s\n    idle_timeout: 2s\n    request_timeout: " +
            std::to_string(scenario.request_timeout) +
            "ms\n    keep_alive: {idle_timeout: 1s, max_age: 3s, max_idle: " + std::to_string(scenario.max_idle) +
            "}\n    health: {failures: 3, set_aside: 500ms}\n";
  }
  text += "routes:\n";
  for (int route = 0; route < route_count; ++route) {
    const int group = config.to[static_cast<std::size_t>(route)];
    const std::string name = "r" + std::to_string(route);
    if (group >= 0)
      text += "  - {name: " + name + ", match: {path: \"/" + name +
              "/*\"}, policies: [{headers: {request: {set: {x-sim: " + name +
              "}}, response: {set: {x-gateway: sluice}}}}], to: u" + std::to_string(group) + "}\n";
  }
  text += "  - {name: other, match: {path: /other}, to: u0}\n";
  return text;
}

Gateway::Gateway(const Scenario& scenario, net::sim::Network& network, Ledger& ledger)
    : scenario_(scenario),
      network_(network),
      ledger_(ledger),
      causes_(all_causes()),
      kept_(static_cast<std::size_t>(scenario.workers), causes_) {
  kept_.machine = {.descriptors = 20'000, .memory_bytes = std::uint64_t{1} << 32};
  for (int number = 0; number < scenario.workers; ++number) {
    auto loop = std::make_unique<net::sim::SimLoop>(network);
    net::sim::SimLoop* const kept = loop.get();
    auto ring = std::make_unique<ByteRing>(ring_bytes);
    auto worker = std::make_unique<gateway::Worker>(static_cast<unsigned>(number), std::move(loop), causes_, *ring,
                                                    [this] { ++drained_; });
    workers_.push_back({kept, std::move(ring), std::move(worker)});
  }
}

void Gateway::load(const Change& config) {
  if (is_draining_) return;
  config::Diagnostics diagnostics;
  const auto document = config::parse(yaml_of(scenario_, config), "sim.yaml", diagnostics);
  gateway::RootConfig root;
  std::unique_ptr<gateway::Plan> plan;
  if (document && config::read(*document, root, diagnostics)) plan = gateway::compile_plan(root, kept_, diagnostics);
  if (plan == nullptr) return ledger_.violate(0, "the config is refused: " + diagnostics.render());
  plan->generation = ++generation_;
  ledger_.note_config(generation_, config);
  if (!config.has_second_listener && listeners_.size() > 1) ledger_.has_second_listener_gone = true;

  std::vector<OpenListener> open;
  std::vector<std::vector<gateway::Worker::NewSocket>> sockets(workers_.size());
  for (const gateway::ListenerPlan& listener : plan->listeners) {
    open.push_back({listener.name, listener.bind});
    if (std::ranges::any_of(listeners_, [&](const OpenListener& other) { return other.address == listener.bind; }))
      continue;
    for (auto& mine : sockets)
      mine.push_back({.listener = listener.name, .socket = std::move(*network_.listen_on(listener.bind))});
  }
  listeners_ = std::move(open);
  published_ = 0;
  const std::shared_ptr<const gateway::Plan> shared = std::move(plan);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    gateway::Worker& worker = *workers_[i].worker;
    worker.post([this, &worker, shared, mine = std::move(sockets[i]), generation = generation_]() mutable {
      worker.publish(std::move(shared), std::move(mine));
      if (generation == generation_ && ++published_ == workers_.size()) ledger_.note_live(generation);
    });
  }
}

void Gateway::drain() {
  is_draining_ = true;
  ledger_.is_draining = true;
  network_.note("drain");
  for (Member& member : workers_) member.worker->post([&worker = *member.worker] { worker.drain(); });
}

void Gateway::cut() {
  ledger_.is_cut = true;
  network_.note("cut");
  for (Member& member : workers_) member.worker->post([&worker = *member.worker] { worker.close_all(); });
}

void Gateway::read_logs() {
  for (Member& member : workers_) {
    for (const std::string_view lines : member.ring->peek()) {
      ledger_.read_log(lines);
      member.ring->consume(lines.size());
    }
    if (member.ring->dropped_records() > 0) ledger_.violate(0, "the log's ring was too small");
  }
}

bool Gateway::check_always() {
  for (const Member& member : workers_) {
    const auto in_flight = static_cast<std::size_t>(member.worker->metrics().requests_in_flight.value());
    const std::size_t wanted = member.worker->ports() + in_flight - static_cast<std::size_t>(member.worker->planless());
    if (member.worker->plans().pins() == wanted) continue;
    ledger_.violate(0, std::to_string(member.worker->plans().pins()) + " pins of plans for " +
                           std::to_string(in_flight) + " exchanges and " + std::to_string(member.worker->ports()) +
                           " listeners");
    return false;
  }
  return true;
}

void Gateway::check_emptiness() {
  const auto expect_none = [&](std::string_view of, auto count) {
    if (count != 0) ledger_.violate(0, std::to_string(count) + " " + std::string(of) + " left at the end");
  };
  for (const Member& member : workers_) {
    const gateway::Worker& worker = *member.worker;
    const net::sim::SimLoop::Use use = member.loop->use();
    expect_none("exchanges", member.worker->metrics().requests_in_flight.value());
    const http::h2::ServerCounters& http2 = member.worker->metrics().http2;
    expect_none("HTTP/2 connections", http2.connections_open.value());
    expect_none("HTTP/2 streams", http2.streams_open.value());
    expect_none("bytes of libnghttp2", http2.session_bytes.value());
    expect_none("WebSockets", member.worker->metrics().websockets_open.value());
    expect_none("TLS handshakes", member.worker->metrics().tls_handshakes_open.value());
    expect_none("client connections", member.worker->metrics().connections_open.value());
    expect_none("idle pool connections", worker.pool_counters().idle.value());
    expect_none("open pool connections", worker.pool_counters().open.value());
    expect_none("listeners", member.worker->ports());
    expect_none("pins of plans", member.worker->plans().pins());
    expect_none("old plans", member.worker->plans().live_plans() - 1);
    expect_none("timers", use.timers);
    expect_none("bytes of buffers", use.block_bytes);
    expect_none("streams", use.streams);
    if (use.most_unsent_bytes > most_unsent_bytes)
      ledger_.violate(0, std::to_string(use.most_unsent_bytes) + " bytes stood unsent on one stream");
  }
  for (const auto& endpoint : kept_.endpoints.all()) expect_none("attempts in flight", endpoint->in_flight());
  expect_none("connections dropped from a listener's queue",
              ledger_.has_exhaustion() ? 0 : network_.dropped_from_queue());
}

}  // namespace sluice::sim
