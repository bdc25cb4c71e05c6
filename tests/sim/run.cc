#include "run.h"

#include <fmt/format.h>

#include <deque>
#include <memory>

#include "client.h"
#include "gateway.h"
#include "h2_client.h"
#include "ledger.h"
#include "service.h"
#include "wire.h"

namespace sluice::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t most_idle_turns = 3'000;
constexpr std::uint64_t most_timer_turns = 50'000;
constexpr Duration longest = 600s;       // of virtual time, for all clients
constexpr Duration drain_timeout = 12s;  // then the gateway cuts; everything has ended by itself long before, as a rule
constexpr Duration cut_timeout = 10s;

net::sim::Weather weather_of(const Scenario& scenario) {
  using std::chrono::microseconds;
  return {.least_delay = microseconds(scenario.least_delay),
          .most_delay = microseconds(std::max(scenario.most_delay, scenario.least_delay)),
          .short_percent = static_cast<std::uint32_t>(scenario.short_percent),
          .window_bytes = static_cast<std::size_t>(std::max(scenario.window, 1)),
          .block_bytes = static_cast<std::size_t>(std::max(scenario.block, 1)),
          .most_turn = microseconds(scenario.most_turn)};
}

class World {
 public:
  World(const Scenario& scenario, const std::function<void(const std::string&)>& trace)
      : scenario_(scenario), network_(scenario.seed, weather_of(scenario)), ledger_(scenario, network_) {
    seed_openssl(scenario.seed);
    if (trace) {
      network_.trace = [&trace, start = network_.now()](Instant now, const std::string& text) {
        trace(fmt::format("{:12.6f} {}", std::chrono::duration<double>(now - start).count(), text));
      };
    }
    gateway_.emplace(scenario_, network_, ledger_);
    for (const EndpointPlan& endpoint : scenario_.endpoints)
      services_.emplace_back(network_, ledger_, endpoint, endpoint_address(endpoint.group, endpoint.number));
    for (const ClientPlan& client : scenario_.clients) clients_.push_back(make_client(client));
  }

  Outcome play() {
    begin();
    const auto all_done = [&] {
      return std::ranges::all_of(clients_, [](const auto& client) { return client->is_done(); });
    };
    if (!run_until(all_done, longest)) ledger_.violate(0, "the clients are not done after 600 s");
    end();
    return outcome();
  }

 private:
  std::unique_ptr<AnyClient> make_client(const ClientPlan& plan) {
    const net::Address to = listener_address(plan.listener);
    const bool is_tls = (scenario_.tls >> plan.listener & 1) != 0;
    if (plan.protocol == Protocol::http2) return std::make_unique<H2Client>(network_, ledger_, plan, to, is_tls);
    return std::make_unique<Client>(network_, ledger_, plan, to, is_tls);
  }

  // False when `most` passes first, or the run is broken off.
  bool run_until(const std::function<bool()>& done, Duration most) {
    const Instant deadline = network_.now() + most;
    while (!done()) {
      if (network_.now() >= deadline || is_broken_off_) return false;
      if (!network_.step()) return done();
      look();
    }
    return true;
  }

  void look() {
    if (!gateway_->check_always()) is_broken_off_ = true;
    if (++steps_ % 64 == 0) gateway_->read_logs();
    if (network_.idle_turns() > most_idle_turns) break_off("a loop spins: thousands of turns, and nothing happens");
    if (network_.timer_turns() > most_timer_turns) break_off("a timer fires again and again, and nothing happens");
    if (ledger_.violations().size() > 20) is_broken_off_ = true;
  }
  void break_off(const char* why) {
    ledger_.violate(0, why);
    is_broken_off_ = true;
  }

  void begin() {
    gateway_->load(scenario_.first);
    (void)run_until([&] { return ledger_.live_generation() == 1; }, 1s);
    for (const Change& change : scenario_.changes)
      network_.after(std::chrono::microseconds(change.at), [this, &change] { apply(change); });
    for (const auto& client : clients_) client->start();
  }

  void apply(const Change& change) {
    network_.note("change", static_cast<int>(change.kind), change.amount);
    switch (change.kind) {
      case ChangeKind::reload:
        return gateway_->load(change);
      case ChangeKind::jump_clock:
        return network_.jump_wall_clock(std::chrono::seconds(change.amount));
      case ChangeKind::exhaust:
        network_.set_exhausted(true);
        return network_.after(std::chrono::microseconds(change.amount), [this] { network_.set_exhausted(false); });
      case ChangeKind::drain:
        return drain();
    }
  }

  void drain() {
    if (std::exchange(is_draining_, true)) return;
    gateway_->drain();
    network_.after(drain_timeout, [this] {
      if (!gateway_->is_drained()) gateway_->cut();
    });
  }

  void end() {
    drain();
    if (!run_until([&] { return gateway_->is_drained(); }, drain_timeout + cut_timeout))
      ledger_.violate(0, "the gateway does not come to an end");
    (void)run_until([] { return false; }, upstream::Pool::sweep_period + 200ms);  // it looks once more, and goes
    gateway_->read_logs();
    if (is_broken_off_) return;
    gateway_->check_emptiness();
    ledger_.judge();
  }

  Outcome outcome() {
    Outcome outcome{
        .violations = ledger_.violations(), .trace_hash = network_.trace_hash(), .events = network_.events()};
    for (const ClientPlan& client : scenario_.clients) {
      for (const RequestPlan& request : client.requests) {
        const Exchange& it = ledger_.at(request.tag);
        outcome.exchanges += it.is_begun ? 1 : 0;
        outcome.whole += it.answer == Exchange::Answer::whole ? 1 : 0;
        outcome.by_gateway += it.answer == Exchange::Answer::whole && !it.is_from_service ? 1 : 0;
      }
    }
    return outcome;
  }

  const Scenario& scenario_;
  net::sim::Network network_;
  Ledger ledger_;
  std::optional<Gateway> gateway_;
  std::deque<Service> services_;
  std::vector<std::unique_ptr<AnyClient>> clients_;
  std::uint64_t steps_ = 0;
  bool is_draining_ = false, is_broken_off_ = false;
};

}  // namespace

Outcome run(const Scenario& scenario, const std::function<void(const std::string&)>& trace) {
  return World(scenario, trace).play();
}

}  // namespace sluice::sim
