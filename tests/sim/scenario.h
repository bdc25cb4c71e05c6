#pragma once
// What happens in one simulated run, as plain data: made from a seed (generate.cc), written to and read from a short
// script (script.cc), and made smaller while it still fails (shrink.cc). Times are microseconds of virtual time, sizes
// bytes. A field that has its default is not written.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::sim {

inline constexpr int group_count = 2;     // upstreams u0, u1
inline constexpr int endpoint_count = 3;  // of each
inline constexpr int route_count = 3;     // r0, r1, r2
inline constexpr int body_limit = 200'000;

enum class Method : int { get, head, post, put };
inline constexpr std::array<std::string_view, 4> method_names{"GET", "HEAD", "POST", "PUT"};
constexpr bool is_idempotent(Method method) { return method != Method::post; }

// What a client does wrong; `fault_at` says after how many bytes.
enum class ClientFault : int {
  none,
  reset_sending,    // RST in the middle of the request
  end_sending,      // FIN in the middle of it
  stall_sending,    // nothing more comes
  garbage,          // a byte of the request is not what it should be
  reset_receiving,  // RST in the middle of the answer
  stall_receiving,  // reads no more
  slow_receiving,   // reads little at a time
  slow_sending,
};
inline constexpr std::array<std::string_view, 9> client_fault_names{
    "none",           "reset_sending", "end_sending", "stall_sending", "garbage", "reset_receiving", "stall_receiving",
    "slow_receiving", "slow_sending"};

// What a service does wrong; `service_fault_at` says after how many bytes of its answer.
enum class ServiceFault : int {
  none,
  reset,    // RST there
  end,      // FIN there: a truncated answer
  stall,    // nothing more comes
  garbage,  // a byte of the head or of the framing is not what it should be
  extra,    // bytes that nobody asked for stand behind the answer
  deaf,     // reads no byte of the request's body
  slow,
};
inline constexpr std::array<std::string_view, 8> service_fault_names{"none",    "reset", "end",  "stall",
                                                                     "garbage", "extra", "deaf", "slow"};

enum class AnswerFraming : int { length, chunked, until_close };
inline constexpr std::array<std::string_view, 3> answer_framing_names{"length", "chunked", "until_close"};

// One request, and what a service answers to it. `tag` is its number in the run: path, fields and bodies carry it.
struct RequestPlan {
  int tag = 0, route = 0;
  Method method = Method::get;
  int body = 0, piece = 4'000;  // bytes of the body, and of each write and chunk
  bool is_chunked = false, expects_continue = false, is_http10 = false;
  bool is_pipelined = false;  // does not wait for the answer before
  bool ends_after = false;    // FIN behind the request: allowed, and answered
  int think = 0;              // before it is sent
  ClientFault fault = ClientFault::none;
  int fault_at = 0;

  int status = 200, answer = 100, answer_piece = 4'000;
  AnswerFraming answer_framing = AnswerFraming::length;
  int answer_delay = 0, interims = 0;
  int early = -1;        // answers when that much of the body came; -1: all of it
  bool is_last = false;  // with `connection: close`
  ServiceFault service_fault = ServiceFault::none;
  int service_fault_at = 0;
  bool is_fault_once = false;  // only at the first attempt

  template <class Visitor>
  void each(Visitor&& v) {
    v.number("tag", tag), v.number("route", route), v.choice("method", method, method_names), v.number("body", body);
    v.number("piece", piece), v.flag("chunked", is_chunked), v.flag("expects_continue", expects_continue);
    v.flag("http10", is_http10), v.flag("pipelined", is_pipelined), v.flag("ends_after", ends_after);
    v.number("think", think), v.choice("fault", fault, client_fault_names), v.number("fault_at", fault_at);
    v.number("status", status), v.number("answer", answer), v.number("answer_piece", answer_piece);
    v.choice("answer_framing", answer_framing, answer_framing_names), v.number("answer_delay", answer_delay);
    v.number("interims", interims), v.number("early", early), v.flag("last", is_last);
    v.choice("service_fault", service_fault, service_fault_names), v.number("service_fault_at", service_fault_at);
    v.flag("fault_once", is_fault_once);
  }
};

// One after the other on one connection, and on another when that is over.
struct ClientPlan {
  int at = 0, listener = 0;
  std::vector<RequestPlan> requests;

  template <class Visitor>
  void each(Visitor&& v) {
    v.number("at", at), v.number("listener", listener);
  }
};

struct EndpointPlan {
  int group = 0, number = 0;
  int idle_close = 0;                 // closes a connection that stands idle that long; 0: never
  int down_from = 0, down_until = 0;  // does not listen meanwhile
  bool is_black_hole = false;

  template <class Visitor>
  void each(Visitor&& v) {
    v.number("group", group), v.number("number", number), v.number("idle_close", idle_close);
    v.number("down_from", down_from), v.number("down_until", down_until), v.flag("black_hole", is_black_hole);
  }
};

enum class ChangeKind : int { reload, jump_clock, exhaust, drain };
inline constexpr std::array<std::string_view, 4> change_kind_names{"reload", "jump_clock", "exhaust", "drain"};

struct Change {
  int at = 0;
  ChangeKind kind = ChangeKind::reload;
  int amount = 0;  // jump_clock: seconds; exhaust: how long
  // reload: the config from now on
  bool has_second_listener = true;
  std::array<int, route_count> to{0, 1, 0};      // group of each route; -1: the route is not there
  std::array<int, group_count> endpoints{3, 3};  // bits: which of each group's

  template <class Visitor>
  void each(Visitor&& v) {
    v.number("at", at), v.choice("kind", kind, change_kind_names), v.number("amount", amount);
    v.flag("second_listener", has_second_listener), v.number("r0", to[0]), v.number("r1", to[1]);
    v.number("r2", to[2]), v.number("u0", endpoints[0]), v.number("u1", endpoints[1]);
  }
};

struct Scenario {
  std::uint64_t seed = 1;  // of the network: everything the plans leave open
  int workers = 2;
  int least_delay = 20, most_delay = 200, short_percent = 0, window = 65'536, block = 16'384, most_turn = 0;
  int request_timeout = 0;  // of the upstreams, ms; 0: none
  int max_idle = 256;
  int max_connections = 0, max_requests = 0, max_memory = 0;  // of `limits`; 0: the defaults, which are never reached
  int exchange_buffer = 65'536;
  bool is_round_robin = false;
  Change first;  // the config at the start
  std::vector<EndpointPlan> endpoints;
  std::vector<Change> changes;
  std::vector<ClientPlan> clients;

  template <class Visitor>
  void each(Visitor&& v) {
    v.number("seed", seed), v.number("workers", workers), v.number("least_delay", least_delay);
    v.number("most_delay", most_delay), v.number("short_percent", short_percent), v.number("window", window);
    v.number("block", block), v.number("most_turn", most_turn), v.number("request_timeout", request_timeout);
    v.number("max_idle", max_idle), v.number("max_connections", max_connections);
    v.number("max_requests", max_requests), v.number("max_memory", max_memory);
    v.number("exchange_buffer", exchange_buffer), v.flag("round_robin", is_round_robin);
  }
};

Scenario generate(std::uint64_t seed);

std::string to_script(const Scenario& scenario);
// Absent when a line cannot be read; `fault` says which.
std::optional<Scenario> from_script(std::string_view text, std::string& fault);

}  // namespace sluice::sim
