#include "ledger.h"

#include <algorithm>

#include "gateway/kept_body.h"
#include "websocket.h"

namespace sluice::sim {
namespace {

// The value of a text or number field of a log line.
std::string field_of(std::string_view line, std::string_view name) {
  const std::string key = "\"" + std::string(name) + "\":";
  std::size_t at = line.find(key);
  if (at == std::string_view::npos) return {};
  at += key.size();
  if (line[at] == '"') return std::string(line.substr(at + 1, line.find('"', at + 1) - at - 1));
  return std::string(line.substr(at, line.find_first_of(",}", at) - at));
}

// Whether the gateway can send its body once more.
bool is_kept(const RequestPlan& plan) {
  return plan.body == 0 || (!plan.is_chunked && plan.body <= gateway::KeptBody::most_bytes);
}

bool is_any(std::string_view text, std::initializer_list<std::string_view> of) {
  return std::ranges::find(of, text) != of.end();
}

}  // namespace

Ledger::Ledger(const Scenario& scenario, net::sim::Network& network) : scenario_(scenario), network_(network) {
  int number = 0;
  for (const ClientPlan& client : scenario.clients) {
    for (const RequestPlan& request : client.requests) {
      Exchange& it = exchanges_[request.tag];
      it.plan = &request;
      has_extra_bytes_ |= request.service_fault == ServiceFault::extra;
      has_ended_connections_ |=
          request.service_fault == ServiceFault::end || request.service_fault == ServiceFault::goaway;
      has_wild_services_ |= request.service_fault == ServiceFault::garbage;
      it.protocol = client.protocol;
      it.client = number;
      it.listener = client.listener;
    }
    ++number;
  }
  for (const EndpointPlan& endpoint : scenario.endpoints) {
    has_down_endpoint_ |= endpoint.down_until > 0;
    has_black_hole_ |= endpoint.is_black_hole;
    has_idle_close_ |= endpoint.idle_close > 0;
    has_leaving_services_ |= endpoint.leaves_after > 0;
  }
  has_down_endpoint_ |= scenario.endpoints.size() < group_count * endpoint_count;
  for (const Change& change : scenario.changes) has_exhaustion_ |= change.kind == ChangeKind::exhaust;
}

void Ledger::violate(int tag, std::string what) {
  network_.note("VIOLATION", tag, static_cast<std::int64_t>(violations_.size()));
  if (network_.trace) network_.trace(network_.now(), what);
  violations_.push_back((tag > 0 ? "exchange " + std::to_string(tag) + ": " : std::string()) + std::move(what));
}

void Ledger::read_log(std::string_view lines) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    const std::string path = field_of(line, "path");
    const std::size_t mark = path.find("/t");
    const bool is_whole = mark != std::string::npos && path.ends_with('-');  // not a target that broke off
    Exchange* const it = is_whole ? find(std::atoi(path.c_str() + mark + 2)) : nullptr;
    if (network_.trace) network_.trace(network_.now(), "log " + std::string(line));
    if (it == nullptr) continue;  // a request that could not be read
    ++it->lines;
    it->logged_status = std::atoi(field_of(line, "status").c_str());
    it->logged_cause = field_of(line, "cause");
    it->upstream = field_of(line, "upstream");
    it->endpoint = field_of(line, "endpoint");
    it->route = field_of(line, "route");
    it->duration = std::chrono::microseconds(std::atoll(field_of(line, "duration_us").c_str()));
    it->generation = static_cast<std::uint64_t>(std::atoll(field_of(line, "generation").c_str()));
    it->line = line;
  }
}

void Ledger::judge() {
  for (const auto& [tag, it] : exchanges_)
    if (it.is_begun) judge(tag, it);
}

void Ledger::judge(int tag, const Exchange& it) {
  if (it.lines > 1) violate(tag, "logged " + std::to_string(it.lines) + " times");
  if (it.heads > 0 && it.lines == 0) violate(tag, "a service saw it, the log did not");
  if (it.is_refused && it.heads + it.lines > 0) violate(tag, "refused as not looked at, and yet it was: " + it.line);
  judge_repeats(tag, it);
  if (it.lines > 0) judge_routing(tag, it);
  if (it.is_open || it.logged_status == 101)
    judge_socket(tag, it);
  else if (it.answer == Exchange::Answer::whole)
    judge_answer(tag, it);
  else
    judge_silence(tag, it);
  if (!it.logged_cause.empty() && !is_justified(it, it.logged_cause))
    violate(tag, "nothing that happened justifies the cause " + it.logged_cause + ": " + it.line);
}

// A request is sent again only when that cannot do harm, and never more than once for a connection that had died.
void Ledger::judge_repeats(int tag, const Exchange& it) {
  if (!is_idempotent(it.plan->method) && it.heads > 1)
    violate(tag, "a POST reached services " + std::to_string(it.heads) + " times");
  if (it.plan->body > 0 && it.heads > 1 && !is_kept(*it.plan))
    violate(tag, "a request whose body had gone was sent " + std::to_string(it.heads) + " times");
  if (it.heads > 2) violate(tag, "sent " + std::to_string(it.heads) + " times");
  if (it.heads > 1 && !it.is_broken_by_service) violate(tag, "sent again, though no service had failed");
}

// It was served under a plan that was in force, and went where that plan says.
void Ledger::judge_routing(int tag, const Exchange& it) {
  // What is left of a listener that went away is served under the last plan that had it.
  const bool is_left_over = it.listener == 1 && has_second_listener_gone;
  if (it.generation < it.oldest_generation && !is_left_over)
    violate(tag, "served under plan " + std::to_string(it.generation) + " though " +
                     std::to_string(it.oldest_generation) + " was in force");
  const auto found = configs_.find(it.generation);
  if (found == configs_.end()) return violate(tag, "served under a plan that never was: " + it.line);
  const Change& config = found->second;
  const bool is_early = it.logged_cause.starts_with("request_") || it.logged_cause == "gateway_overloaded" ||
                        it.logged_cause == "websocket_upstream_http2";
  if (is_early && it.upstream.empty()) return;  // refused before it had a route
  const int group = config.to[static_cast<std::size_t>(it.plan->route)];
  if (group < 0) {
    if (it.logged_cause != "no_route") violate(tag, "there is no route for it: " + it.line);
    return;
  }
  const bool is_refused = it.logged_cause == "request_body_too_large";  // by a policy, maybe before the pick
  if (it.upstream != "u" + std::to_string(group) && !is_refused) violate(tag, "went to the wrong upstream: " + it.line);
  if (it.endpoint.empty()) return;
  const int number = std::atoi(it.endpoint.c_str() + it.endpoint.find_last_of('.') + 1) - 1;
  if ((config.endpoints[static_cast<std::size_t>(group)] >> number & 1) == 0)
    violate(tag, "went to an endpoint that is not of its plan: " + it.line);
}

void Ledger::judge_answer(int tag, const Exchange& it) {
  const bool is_turned_away = it.lines == 0 && !it.is_from_service && it.status == 503;
  if (is_turned_away && scenario_.max_connections > 0) return;  // before a byte was read
  if (it.lines == 0 && it.cause != "request_malformed" && it.cause != "request_header_timeout" &&
      it.plan->fault == ClientFault::none)
    violate(tag, "answered, but not logged");
  if (it.lines > 0 && it.logged_status != it.status)
    violate(tag, "the log says " + std::to_string(it.logged_status) + ", the client got " + std::to_string(it.status));
  if (it.lines > 0 && !it.is_from_service && it.plan->method != Method::head && it.cause != it.logged_cause)
    violate(tag, "the log says " + it.logged_cause + ", the client was told " + it.cause);
  if (it.is_from_service && it.lines > 0 && !it.logged_cause.empty())
    violate(tag, "a whole answer of a service, and yet the cause " + it.logged_cause);
  if (!it.is_from_service && it.logged_cause.empty() && it.lines > 0)
    violate(tag, "an answer of the gateway's own without a cause");
  if (!it.is_from_service && it.lines == 0 && it.plan->fault == ClientFault::none)
    violate(tag, "the gateway refused a good request: " + it.cause);
}

// No whole answer: somebody must be to blame.
void Ledger::judge_silence(int tag, const Exchange& it) {
  if (it.is_abandoned || is_cut) return;
  const bool is_begun = it.answer == Exchange::Answer::cut;
  if (it.lines == 0) {
    // Never taken up. The gateway may close an idle connection when it drains or its listener goes.
    if (is_begun) return violate(tag, "an answer was begun and not logged");
    if (it.is_excused || is_draining || (it.listener == 1 && has_second_listener_gone) || has_exhaustion_ || has_caps())
      return;
    return violate(tag, "no answer, no line in the log, and nobody to blame");
  }
  if (it.logged_cause.empty()) {
    // Answered whole, as the gateway sees it; its last bytes did not arrive.
    if (it.is_excused) return violate(tag, "answered after `connection: close`");
    if (is_cut_by_successor(it)) return;
    // What opens a small window may wait behind a large body of the client's own: too long, at the least rate.
    if (is_begun && it.protocol == Protocol::http2 && is_through_a_small_window(it)) return;
    return violate(
        tag, std::string(is_begun ? "a cut answer" : "no answer") + " that the log takes for a whole one: " + it.line);
  }
  if (is_any(it.logged_cause, {"client_closed", "client_too_slow"})) return;  // justified elsewhere
  // What breaks a rule of HTTP/2's messages is answered with RST_STREAM alone.
  if (it.protocol == Protocol::http2 && it.plan->fault == ClientFault::garbage) return;
  // A service's answer that breaks off is cut by RST, which may overtake its head.
  const bool is_cut_short = it.answers_begun > 0 && it.logged_status == it.plan->status;
  if (!is_begun && !is_cut_short && !is_cut_by_successor(it))
    violate(tag, "the answer " + it.logged_cause + " was made and never came: " + it.line);
}

// A WebSocket that was opened: it ended as its ends wanted, with every byte, or somebody is to blame.
void Ledger::judge_socket(int tag, const Exchange& it) {
  if (it.lines == 0 || it.logged_status != 101)
    return violate(tag, "a WebSocket was opened, and the log knows nothing of it: " + it.line);
  if (it.is_wrongly_accepted) violate(tag, "a WebSocket was opened that the service had accepted wrongly: " + it.line);
  for (const Exchange::SocketEnd* const end : {&it.at_client, &it.at_service}) {
    const bool is_by_gateway = end->close != 0 && end->close != WebSocketEnd::normal;
    if (is_by_gateway && it.logged_cause.empty())
      violate(tag, "closed with " + std::to_string(end->close) + " for no cause: " + it.line);
    if (is_by_gateway && (end->close == 1012) != (it.logged_cause == "stream_route_changed"))
      violate(tag, "closed with " + std::to_string(end->close) + ": " + it.line);
  }
  constexpr Duration patience = std::chrono::milliseconds(3'500);  // a second to begin, two to finish a frame
  const Instant least_end = it.begun_at + it.duration;
  if (it.logged_cause.empty() && is_route_gone(it, least_end - patience))
    violate(tag, "stayed open though its route was gone: " + it.line);
  if (!it.logged_cause.empty() || it.is_abandoned || is_cut || it.is_broken_by_service || it.is_slowed_by_service)
    return;
  if (it.at_client.close != WebSocketEnd::normal || it.at_service.close != WebSocketEnd::normal)
    return violate(tag, "ended without a Close frame, and the log finds nothing wrong: " + it.line);
  if (it.at_client.received != static_cast<std::size_t>(it.plan->answer) ||
      it.at_service.received != static_cast<std::size_t>(it.plan->body))
    violate(tag, "ended well, though messages are missing: " + it.line);
}

// Whether a later plan than its own has not its route: any, or the one that was in force `by` then.
bool Ledger::is_route_gone(const Exchange& it, Instant by) const {
  bool is_gone = false;
  for (const auto& [generation, config] : configs_) {
    const auto live = live_since_.find(generation);
    if (generation <= it.generation) continue;
    const bool lacks_it = config.to[static_cast<std::size_t>(it.plan->route)] < 0;
    if (by == Instant::max()) {
      is_gone |= lacks_it;
    } else if (live != live_since_.end() && live->second <= by) {
      is_gone = lacks_it;
    }
  }
  return is_gone;
}

// An answer that breaks off resets the connection, and that may overtake the whole answers before it.
bool Ledger::is_cut_by_successor(const Exchange& it) const {
  return it.protocol == Protocol::http1 && std::ranges::any_of(exchanges_, [&](const auto& entry) {
           const Exchange& other = entry.second;
           return other.client == it.client && other.connection == it.connection && other.plan->tag > it.plan->tag &&
                  other.answer != Exchange::Answer::whole && !other.logged_cause.empty();
         });
}

// All that waits for a side of a WebSocket must leave in `send_timeout`: through a small window that takes longer.
bool Ledger::is_through_a_small_window(const Exchange& it) const {
  const int window = scenario_.clients[static_cast<std::size_t>(it.client)].window;
  const bool is_small = it.protocol == Protocol::http2 && window < 4'000;
  return is_small || (network_.weather().window_bytes < 5'000 && scenario_.most_delay >= 3'000);
}

// Whether its connection to the service may have been shared with others: what befell one of them may have befallen
// it. What an endpoint speaks is said by the plan in force, which may be a later one than its own.
bool Ledger::is_to_http2(const Exchange& it) const {
  const auto found = configs_.find(it.generation);
  const int group = found == configs_.end() ? -1 : found->second.to[static_cast<std::size_t>(it.plan->route)];
  return group >= 0 && std::any_of(found, configs_.end(), [&](const auto& entry) {
           return entry.second.protocols[static_cast<std::size_t>(group)] == Protocol::http2;
         });
}

// Whether anything that was planned, and happened, may end in this cause.
bool Ledger::is_justified(const Exchange& it, std::string_view cause) const {
  const RequestPlan& plan = *it.plan;
  const auto has_fault = [&](std::initializer_list<ClientFault> of) {
    return std::ranges::find(of, plan.fault) != of.end();
  };
  if (cause == "no_route") return true;  // judged by the plan
  if (cause == "stream_drained") return is_draining || is_cut;
  if (cause == "stream_listener_removed") return it.listener == 1 && has_second_listener_gone;
  if (cause == "stream_route_changed") return is_route_gone(it, Instant::max());
  if (cause == "websocket_upstream_http2")  // an endpoint may speak it by a later plan only
    return plan.is_websocket && std::ranges::any_of(configs_, [](const auto& entry) {
             return std::ranges::count(entry.second.protocols, Protocol::http2) > 0;
           });
  if (cause == "websocket_frame_malformed") return plan.is_websocket && has_fault({ClientFault::garbage});
  if (cause == "stream_idle")  // what leaves a buffer of ours slowly is no byte that moves
    return it.is_abandoned || (it.protocol == Protocol::http2 && is_through_a_small_window(it)) ||
           it.is_slowed_by_service || has_fault({ClientFault::stall_sending, ClientFault::garbage}) ||
           it.is_broken_by_service;
  if (cause == "client_closed") return it.is_abandoned || is_cut || it.answer == Exchange::Answer::whole;
  if (cause == "client_too_slow")
    return it.is_abandoned ||
           ((it.logged_status == 101 || it.protocol == Protocol::http2) && is_through_a_small_window(it)) ||
           has_fault({ClientFault::stall_receiving, ClientFault::slow_receiving});
  if (is_any(cause, {"request_body_timeout", "request_header_timeout"}))
    return it.is_abandoned || has_fault({ClientFault::stall_sending, ClientFault::slow_sending});
  if (is_any(cause,
             {"request_malformed", "request_target_refused", "request_body_malformed", "request_method_unsupported"}))
    return has_fault({ClientFault::garbage});
  if (cause == "request_body_too_large") return plan.body > body_limit;
  if (cause == "upstream_connect_refused") return has_down_endpoint_;
  if (cause == "upstream_connect_timeout") return has_black_hole_;
  if (cause == "gateway_overloaded") return scenario_.max_requests > 0 || has_caps();
  if (cause == "gateway_memory_exhausted") return scenario_.max_memory > 0;
  if (cause == "gateway_exhausted") return has_exhaustion_;
  const bool is_shared = is_to_http2(it);
  if (cause == "upstream_response_malformed")
    return it.is_broken_by_service || has_extra_bytes_ || (is_shared && has_wild_services_);
  // A service may leave a connection before it has carried anything.
  if (cause == "upstream_unreachable")
    return is_shared && (has_idle_close_ || has_leaving_services_ || has_down_endpoint_ || has_ended_connections_);
  if (cause == "upstream_reset")
    return it.is_broken_by_service || has_extra_bytes_ || has_down_endpoint_ ||
           (has_idle_close_ && (is_shared || plan.body > 0 || !is_idempotent(plan.method))) ||
           (is_shared && (has_ended_connections_ || (has_leaving_services_ && !is_kept(plan))));
  // Over HTTP/2 all share what a connection carries: where that is little, some wait long for their turn.
  const net::sim::Weather& weather = network_.weather();
  const bool is_multiplexed = it.protocol == Protocol::http2 || is_shared;
  const bool is_narrow = weather.window_bytes < 5'000 && weather.most_delay >= std::chrono::milliseconds(3);
  const bool is_slow = it.is_abandoned || it.is_slowed_by_service || (is_multiplexed && is_narrow) ||
                       has_fault({ClientFault::stall_sending, ClientFault::slow_sending, ClientFault::stall_receiving,
                                  ClientFault::slow_receiving});
  if (is_any(cause, {"upstream_timeout_first_byte", "upstream_timeout_idle"})) return is_slow;
  if (cause == "upstream_timeout_request")
    return scenario_.request_timeout > 0 &&
           (is_slow || is_multiplexed || weather.window_bytes < 5'000 || has_black_hole_);
  return false;
}

}  // namespace sluice::sim
