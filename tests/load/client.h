#pragma once
// The load "L1", as far as the gateway speaks it: kept connections and short ones, open loop (a request is due when the
// clock says so, whatever became of those before), every answer verified to be the one to its request.
// One thread, epoll.

#include <netinet/in.h>

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "answer.h"
#include "report.h"

namespace load {

struct ClientSettings {
  sockaddr_in to{};
  sockaddr_in other{};  // where connections go from SIGUSR1 on: what a balancer does that has seen a 503
  in_addr from{};       // of the connections; 0: the kernel chooses
  double seconds = 5;
  double rate = 1000;         // requests a second on kept connections; 0: as many as go (to measure capacity)
  unsigned kept = 200;        // connections
  double short_rate = 50;     // connections a second that serve one request
  unsigned post_every = 8;    // each so many-th request has a body; 0: none
  unsigned large_every = 16;  // each so many-th answer is to be large; 0: none
  std::size_t large_bytes = 20'000;
  unsigned agent_bytes = 0;                    // of the field User-Agent; 0: there is none
  std::chrono::milliseconds patience{10'000};  // for one answer, or a connect
};

class Client {
 public:
  explicit Client(const ClientSettings& settings);
  ~Client();
  // Runs until the time is over or SIGTERM, then waits for what is under way. Returns the report.
  std::string run();

 private:
  struct Request {
    std::string tag;
    std::size_t size = 0;
    bool is_post = false;
    bool is_second = false;  // asked again after a race
    Instant due{};
  };
  struct Connection {
    enum class State { closed, connecting, idle, waiting };
    int descriptor = -1;
    State state = State::closed;
    bool is_kept = false;
    bool has_request = false;
    bool has_served = false;
    Request request;
    std::string unsent;
    AnswerReader reader;
    Instant deadline{};
    Instant reopen_at{};
  };

  Request make_request(Instant due);
  void schedule(Instant now);
  void open(Connection& connection, Instant now);
  void open_short(Instant now);
  void connected(Connection& connection, Instant now);
  void send(Connection& connection, Request request, Instant now);
  void flush(Connection& connection);
  void receive(Connection& connection, Instant now);
  void answered(Connection& connection, Instant now);
  void ended(Connection& connection, const char* how, Instant now);
  void fail(Connection& connection, const char* kind, std::string_view detail, Instant now);
  void close(Connection& connection, Instant now);
  void dispatch(Instant now);
  void look_for_late(Instant now);
  bool is_busy() const;
  int patience_ms(Instant now) const;

  const ClientSettings settings_;
  const Instant began_ = Clock::now();
  const Instant ends_;
  Report report_;
  int epoll_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<Connection*> idle_;       // kept ones, longest idle first; may hold ones that are idle no more
  std::deque<Request> backlog_;        // due, and no connection was free
  std::vector<Connection*> finished_;  // short ones that may be used again
  Instant next_due_, next_short_, next_look_;
  std::uint64_t number_ = 0;
  bool is_over_ = false;
};

}  // namespace load
