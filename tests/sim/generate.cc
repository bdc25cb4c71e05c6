// A scenario from a seed. A quarter of them is calm: nothing goes wrong there, and nothing may.
#include <algorithm>

#include "base/random.h"
#include "scenario.h"

namespace sluice::sim {
namespace {

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed ^ 0x5173), seed_(seed) {}

  Scenario make() {
    Scenario scenario{.seed = seed_};
    is_calm_ = chance(25);
    fault_percent_ = is_calm_ ? 0 : one_of({5, 15, 40});
    scenario.workers = chance(40) ? 1 : between(2, 3);
    is_burst_ = chance(30);
    is_narrow_ = chance(40);
    is_slow_link_ = chance(4);
    make_weather(scenario);
    scenario.is_round_robin = chance(50);
    scenario.max_idle = one_of({256, 256, 1, 0});
    if (chance(15)) scenario.request_timeout = one_of({1'500, 4'000});
    scenario.exchange_buffer = one_of({65'536, 65'536, 65'536, 16'384, 4'096});
    scenario.max_streams = one_of({100, 100, 100, 1, 2, 3});
    scenario.stream_window = one_of({65'536, 65'536, 16'384});
    for (Protocol& protocol : protocols_) protocol = chance(40) ? Protocol::http2 : Protocol::http1;
    if (!is_calm_ && chance(8)) scenario.max_connections = between(1, 6);
    if (!is_calm_ && chance(8)) scenario.max_requests = between(1, 6);
    if (!is_calm_ && chance(8)) scenario.max_memory = 1 << 20;
    if (chance(25)) scenario.tls = between(1, 3);
    scenario.first = config(0);
    make_endpoints(scenario);
    make_clients(scenario);
    make_changes(scenario);
    return scenario;
  }

 private:
  int between(int least, int most) {
    return least + static_cast<int>(random_.next() % static_cast<std::uint64_t>(most - least + 1));
  }
  bool chance(int percent) { return between(0, 99) < percent; }
  int one_of(std::initializer_list<int> of) { return of.begin()[between(0, static_cast<int>(of.size()) - 1)]; }
  // Mostly small, at times large.
  int size(int large) {
    if (is_slow_link_ && chance(30)) return between(60'000, 200'000);
    return chance(15) ? 0 : chance(70) ? between(1, 2'000) : between(1, chance(30) ? large : 40'000);
  }

  void make_weather(Scenario& scenario) {
    scenario.most_delay = one_of({50, 200, 3'000, 20'000});
    scenario.short_percent = one_of({0, 0, 10, 50});
    scenario.window = one_of({65'536, 65'536, 262'144, 4'096, 900});
    scenario.block = one_of({16'384, 16'384, 2'000, 300});
    scenario.most_turn = one_of({0, 0, 100, 1'500});
    if (!is_slow_link_) return;
    scenario.most_delay = 20'000;
    scenario.window = 900;
  }

  Change config(int at) {
    Change change{.at = at, .kind = ChangeKind::reload};
    change.has_second_listener = chance(80);
    for (int& to : change.to) to = chance(90) ? between(0, group_count - 1) : -1;
    for (int& endpoints : change.endpoints)
      endpoints = is_narrow_ ? 1 << between(0, endpoint_count - 1) : between(1, (1 << endpoint_count) - 1);
    if (at > 0 && chance(10)) protocols_[0] = protocols_[0] == Protocol::http1 ? Protocol::http2 : Protocol::http1;
    change.protocols = protocols_;
    return change;
  }

  void make_endpoints(Scenario& scenario) {
    for (int group = 0; group < group_count; ++group) {
      for (int number = 0; number < endpoint_count; ++number) {
        EndpointPlan endpoint{.group = group, .number = number};
        if (chance(fault_percent_)) endpoint.idle_close = one_of({1, 500, 5'000, 100'000, 900'000});
        if (chance(fault_percent_ / 2)) {
          endpoint.down_from = between(0, 300'000);
          endpoint.down_until = endpoint.down_from + between(1'000, 600'000);
        }
        if (chance(fault_percent_ / 4)) endpoint.is_black_hole = true;
        endpoint.streams = one_of({100, 100, 1, 2, 5});
        endpoint.window = one_of({65'535, 65'535, 16'384, 2'000});
        if (chance(15)) endpoint.leaves_after = between(1, 6);
        scenario.endpoints.push_back(endpoint);
      }
    }
  }

  void make_clients(Scenario& scenario) {
    const int clients = between(1, 8);
    int tag = 0;
    for (int i = 0; i < clients; ++i) {
      ClientPlan client{
          .at = is_burst_ ? between(0, 2'000) : between(0, 200'000), .listener = chance(75) ? 0 : 1, .requests = {}};
      if (chance(45)) client.protocol = Protocol::http2;
      for (int count = between(1, 6); count > 0; --count) client.requests.push_back(request(++tag));
      if (client.protocol == Protocol::http2) make_http2(client);
      for (std::size_t at = 1; at < client.requests.size(); ++at) {
        if (client.protocol == Protocol::http1 && client.requests[at - 1].is_websocket)
          client.requests[at].is_pipelined = false;
      }
      scenario.clients.push_back(std::move(client));
    }
  }

  void make_http2(ClientPlan& client) {
    client.window = one_of({65'535, 65'535, 16'384, 3'000, 200});
    client.is_left = chance(15);
    for (RequestPlan& it : client.requests) {
      it.is_http10 = it.ends_after = false;
      it.is_pipelined = chance(75);
      it.answer = std::min(it.answer, client.window * 40);  // each window is a way there and back
    }
  }

  RequestPlan request(int tag) {
    RequestPlan it{.tag = tag, .route = between(0, route_count - 1)};
    it.method = static_cast<Method>(chance(50) ? 0 : between(0, 3));
    if (it.method == Method::post || it.method == Method::put || chance(3)) it.body = size(body_limit * 5 / 4);
    it.piece = one_of({16'000, 4'000, 1'000, 37});
    if (it.body > 40'000 && it.piece < 1'000) it.piece = 1'000;
    it.is_chunked = it.body > 0 && chance(40);
    it.expects_continue = it.body > 0 && chance(25);
    it.is_http10 = !it.is_chunked && !it.expects_continue && chance(6);
    it.is_pipelined = chance(25);
    it.ends_after = chance(4);
    it.think = chance(60) ? 0 : one_of({200, 3'000, 60'000, 1'200'000});
    answer(it);
    if (chance(10)) make_websocket(it);
    if (chance(fault_percent_)) {
      it.fault = static_cast<ClientFault>(between(1, static_cast<int>(client_fault_names.size()) - 1));
      it.fault_at = chance(50) ? between(0, 150) : between(0, 150 + it.body + it.answer);
    }
    return it;
  }

  void make_websocket(RequestPlan& it) {
    it.is_websocket = true;
    it.method = Method::get;
    it.is_http10 = it.is_chunked = it.expects_continue = it.ends_after = it.is_last = false;
    it.early = -1;
    it.interims = 0;
    it.status = chance(85) ? 200 : 404;
    it.body = chance(30) ? 0 : between(1, 40'000);
    it.answer = chance(30) ? 0 : between(1, 40'000);
    it.piece = one_of({16'000, 4'000, 1'000, 100});
    it.answer_piece = one_of({16'000, 4'000, 1'000, 100});
    it.is_eager = chance(20);
    it.is_closed_by_service = chance(40);
    it.hold = chance(50) ? 0 : one_of({2'000, 100'000, 600'000, 3'500'000});
  }

  void answer(RequestPlan& it) {
    it.status = chance(85) ? 200 : one_of({204, 304, 404, 500, 503});
    it.answer = size(300'000);
    it.answer_piece = one_of({16'000, 4'000, 1'000, 61});
    if (it.answer > 40'000 && it.answer_piece < 1'000) it.answer_piece = 1'000;
    it.answer_framing = static_cast<AnswerFraming>(chance(50) ? 0 : between(0, 2));
    it.answer_delay = chance(60) ? 0 : one_of({100, 2'000, 50'000});
    it.interims = chance(8) ? between(1, 3) : 0;
    if (it.body > 0 && chance(12)) it.early = between(0, it.body);
    it.is_last = chance(6);
    if (!chance(fault_percent_)) return;
    it.service_fault = static_cast<ServiceFault>(between(1, static_cast<int>(service_fault_names.size()) - 1));
    it.service_fault_at = chance(40) ? 0 : chance(50) ? between(0, 120) : between(0, 120 + it.answer);
    it.is_fault_once = chance(50);
  }

  void make_changes(Scenario& scenario) {
    for (int reloads = chance(50) ? 0 : between(1, 4); reloads > 0; --reloads)
      scenario.changes.push_back(config(is_burst_ ? between(500, 8'000) : between(1'000, 500'000)));
    if (chance(10))
      scenario.changes.push_back(
          {.at = between(0, 400'000), .kind = ChangeKind::jump_clock, .amount = one_of({-3'600, 3'600, 86'400})});
    if (!is_calm_ && chance(8))
      scenario.changes.push_back(
          {.at = between(0, 300'000), .kind = ChangeKind::exhaust, .amount = between(1'000, 400'000)});
    if (chance(25))
      scenario.changes.push_back(
          {.at = is_burst_ ? between(500, 8'000) : between(0, 600'000), .kind = ChangeKind::drain});
  }

  Random random_;
  const std::uint64_t seed_;
  bool is_calm_ = false;
  bool is_slow_link_ = false;  // every byte takes its time: what is large takes longer than the timeouts
  bool is_burst_ = false;      // everything happens in the same few milliseconds
  bool is_narrow_ = false;     // one endpoint for each upstream: connections are used again and again
  int fault_percent_ = 0;
  std::array<Protocol, group_count> protocols_{};
};

}  // namespace

Scenario generate(std::uint64_t seed) { return Generator(seed).make(); }

}  // namespace sluice::sim
