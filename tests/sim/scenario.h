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
  drop_receiving,  // HTTP/2: RST of the whole connection in the middle of the answer
};
inline constexpr std::array<std::string_view, 10> client_fault_names{
    "none",         "reset_sending",   "end_sending",     "stall_sending",
    "garbage",      "reset_receiving", "stall_receiving", "slow_receiving",
    "slow_sending", "drop_receiving"};

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
  refuse,  // HTTP/2: REFUSED_STREAM
  goaway,  // HTTP/2: GOAWAY, after which all ends in the right way, or the connection does, or the stream is reset
};
inline constexpr std::array<std::string_view, 10> service_fault_names{"none",  "reset", "end",  "stall",  "garbage",
                                                                      "extra", "deaf",  "slow", "refuse", "goaway"};

enum class AnswerFraming : int { length, chunked, until_close };
inline constexpr std::array<std::string_view, 3> answer_framing_names{"length", "chunked", "until_close"};

// What is spoken: by a client, to the endpoints of an upstream.
enum class Protocol : int { http1, http2 };
inline constexpr std::array<std::string_view, 2> protocol_names{"http1", "http2"};

// One request, and what a service answers to it. `tag` is its number in the run: path, fields and bodies carry it.
// Over HTTP/2 a request is a stream, its faults are the stream's (a reset is RST_STREAM) and are counted in bytes of
// the body; end_sending and drop_receiving, and the service's `end`, hit the whole connection.
struct RequestPlan {
  int tag = 0, route = 0;
  Method method = Method::get;
  int body = 0, piece = 4'000;  // bytes of the body, and of each write and chunk
  bool is_chunked = false, expects_continue = false, is_http10 = false;
  bool is_pipelined = false;  // does not wait for the answer before; HTTP/2: for those before
  bool ends_after = false;    // FIN behind the request: allowed, and answered
  int think = 0;              // before it is sent
  // Asks for a WebSocket: `body` and `answer` are then what its two ends send each other (websocket.h). A service
  // accepts it when its status is 200.
  bool is_websocket = false;
  bool is_eager = false;              // sends frames before it is accepted
  bool is_closed_by_service = false;  // who says Close first, when all has come,
  int hold = 0;                       // and that much later
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
    v.flag("websocket", is_websocket), v.flag("eager", is_eager), v.flag("closed_by_service", is_closed_by_service);
    v.number("hold", hold), v.number("think", think), v.choice("fault", fault, client_fault_names),
        v.number("fault_at", fault_at);
    v.number("status", status), v.number("answer", answer), v.number("answer_piece", answer_piece);
    v.choice("answer_framing", answer_framing, answer_framing_names), v.number("answer_delay", answer_delay);
    v.number("interims", interims), v.number("early", early), v.flag("last", is_last);
    v.choice("service_fault", service_fault, service_fault_names), v.number("service_fault_at", service_fault_at);
    v.flag("fault_once", is_fault_once);
  }
};

// One after the other on one connection, and on another when that is over. HTTP/2: many at once.
struct ClientPlan {
  int at = 0, listener = 0;
  Protocol protocol = Protocol::http1;
  int window = 65'535;   // HTTP/2: of each stream, for the answers
  bool is_left = false;  // HTTP/2: when all is answered, waits for the gateway to close the connection
  std::vector<RequestPlan> requests;

  template <class Visitor>
  void each(Visitor&& v) {
    v.number("at", at), v.number("listener", listener), v.choice("protocol", protocol, protocol_names);
    v.number("window", window), v.flag("left", is_left);
  }
};

struct EndpointPlan {
  int group = 0, number = 0;
  int idle_close = 0;                 // closes a connection that stands idle that long; 0: never
  int down_from = 0, down_until = 0;  // does not listen meanwhile
  bool is_black_hole = false;
  // HTTP/2: what it lets a connection have at once, its window for each body, and after how many streams it says, in
  // the right way, that a connection takes no more; 0: any number.
  int streams = 100, window = 65'535, leaves_after = 0;

  template <class Visitor>
  void each(Visitor&& v) {
    v.number("group", group), v.number("number", number), v.number("idle_close", idle_close);
    v.number("down_from", down_from), v.number("down_until", down_until), v.flag("black_hole", is_black_hole);
    v.number("streams", streams), v.number("window", window), v.number("leaves_after", leaves_after);
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
  std::array<int, route_count> to{0, 1, 0};       // group of each route; -1: the route is not there
  std::array<int, group_count> endpoints{3, 3};   // bits: which of each group's
  std::array<Protocol, group_count> protocols{};  // of each group

  template <class Visitor>
  void each(Visitor&& v) {
    v.number("at", at), v.choice("kind", kind, change_kind_names), v.number("amount", amount);
    v.flag("second_listener", has_second_listener), v.number("r0", to[0]), v.number("r1", to[1]);
    v.number("r2", to[2]), v.number("u0", endpoints[0]), v.number("u1", endpoints[1]);
    v.choice("p0", protocols[0], protocol_names), v.choice("p1", protocols[1], protocol_names);
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
  int max_streams = 100, stream_window = 65'536;  // of HTTP/2 clients
  int tls = 0;                                    // bits: which listeners speak TLS
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
    v.number("exchange_buffer", exchange_buffer), v.number("max_streams", max_streams);
    v.number("stream_window", stream_window), v.number("tls", tls), v.flag("round_robin", is_round_robin);
  }
};

Scenario generate(std::uint64_t seed);

std::string to_script(const Scenario& scenario);
// Absent when a line cannot be read; `fault` says which.
std::optional<Scenario> from_script(std::string_view text, std::string& fault);

}  // namespace sluice::sim
