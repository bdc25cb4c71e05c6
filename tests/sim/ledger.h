#pragma once
// What both sides of the gateway, and its log, say of each exchange; and the judgement of it. The rules stand in
// ledger.cc, one function a rule. Violations are what a run is about: none in a gateway without bugs.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "net/sim/network.h"
#include "scenario.h"

namespace sluice::sim {

// What may happen to a request, told by who did it.
struct Exchange {
  const RequestPlan* plan = nullptr;
  int client = 0, listener = 0, connection = 0;  // connection: of this client, counted
  Protocol protocol = Protocol::http1;           // of the client

  // ---- the client's side
  bool is_begun = false, is_sent = false;  // its first, its last byte has left the client
  Instant begun_at{}, sent_at{};
  std::uint64_t oldest_generation = 0;  // that was in force on every worker when it began
  bool is_abandoned = false;            // the client cut it, by its own fault
  bool is_excused = false;              // sent on a connection of which the gateway had said that it would close
  bool is_refused = false;              // HTTP/2: the gateway has said that it did not look at it
  enum class Answer { none, cut, whole } answer = Answer::none;
  int status = 0;
  std::string cause;  // of the problem that the gateway answered with
  bool is_from_service = false;
  Instant answered_at{};

  // ---- the services' side
  int heads = 0, wholes = 0;  // requests with this tag that came: heads, and those with all of the body
  int refusals = 0;           // HTTP/2: those that a service did not look at
  int answers_begun = 0;
  int gateway_end = -1;               // of the connection of the last attempt: the gateway's descriptor,
  std::uint64_t answer_from = 0;      // and where an answer would begin on it
  bool is_broken_by_service = false;  // a fault that breaks the connection or the message
  bool is_slowed_by_service = false;

  // ---- a WebSocket: what came to each end
  struct SocketEnd {
    std::size_t received = 0;  // bytes of messages
    int close = 0;             // code of the Close frame; 0: none
    bool has_ended = false;    // in the right way
  } at_client, at_service;
  bool is_open = false;              // the client was told so
  bool is_wrongly_accepted = false;  // the service's accept does not fit the key

  // ---- the log
  int lines = 0, logged_status = 0;
  std::uint64_t generation = 0;
  Duration duration{};
  std::string logged_cause, upstream, endpoint, route, line;
};

class Ledger {
 public:
  Ledger(const Scenario& scenario, net::sim::Network& network);

  Exchange& at(int tag) { return exchanges_.at(tag); }
  Exchange* find(int tag) {
    const auto found = exchanges_.find(tag);
    return found == exchanges_.end() ? nullptr : &found->second;
  }
  void violate(int tag, std::string what);  // tag 0: of the whole run
  const std::vector<std::string>& violations() const { return violations_; }

  // ---- facts of the whole run
  void note_config(std::uint64_t generation, const Change& config) { configs_[generation] = config; }
  void note_live(std::uint64_t generation) {  // on all workers
    live_generation_ = generation;
    live_since_[generation] = network_.now();
  }
  std::uint64_t live_generation() const { return live_generation_; }
  void note_drain() { is_draining = true; }
  bool is_draining = false, is_cut = false;
  bool has_second_listener_gone = false;
  bool has_exhaustion() const { return has_exhaustion_; }
  // Connections may be turned away, and idle ones closed.
  bool has_caps() const { return scenario_.max_connections > 0 || scenario_.max_memory > 0; }

  void read_log(std::string_view lines);
  // All rules that need the end of the run.
  void judge();

 private:
  void judge(int tag, const Exchange& it);
  void judge_routing(int tag, const Exchange& it);
  void judge_answer(int tag, const Exchange& it);
  void judge_silence(int tag, const Exchange& it);
  bool is_cut_by_successor(const Exchange& it) const;
  bool is_to_http2(const Exchange& it) const;
  bool is_through_a_small_window(const Exchange& it) const;
  void judge_repeats(int tag, const Exchange& it);
  void judge_socket(int tag, const Exchange& it);
  bool is_route_gone(const Exchange& it, Instant by) const;
  bool is_justified(const Exchange& it, std::string_view cause) const;

  const Scenario& scenario_;
  net::sim::Network& network_;
  std::map<int, Exchange> exchanges_;
  std::map<std::uint64_t, Change> configs_;
  std::map<std::uint64_t, Instant> live_since_;
  std::uint64_t live_generation_ = 0;
  std::vector<std::string> violations_;
  bool has_down_endpoint_ = false, has_black_hole_ = false, has_idle_close_ = false, has_extra_bytes_ = false,
       has_exhaustion_ = false, has_ended_connections_ = false, has_wild_services_ = false,
       has_leaving_services_ = false;
};

}  // namespace sluice::sim
