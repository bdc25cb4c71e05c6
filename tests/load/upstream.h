#pragma once
// The upstream behind the load: answers `/TAG/SIZE` with its name, the tag and dots up to the size. One thread, epoll.
// It may flap: up and down by turns, each time for the same while; down means that it closes everything.

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace load {

struct UpstreamSettings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: the kernel chooses
  std::string name = "u";
  std::chrono::milliseconds flap{0};   // 0: never down
  std::chrono::milliseconds delay{0};  // before each answer
};

class Upstream {
 public:
  explicit Upstream(const UpstreamSettings& settings) : settings_(settings) {}
  // Prints its port, serves until SIGTERM, prints what it saw as JSON. Returns an exit code.
  int run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    std::string in;
    std::string out;
    std::size_t sent = 0;  // of out
    Clock::time_point answer_at{};
    bool is_answer_due = false;
  };

  bool listen();
  void close_all();
  void accept_all();
  void receive(int descriptor);
  bool answer_one(Connection& connection) const;
  bool flush(int descriptor, Connection& connection);
  void drop(int descriptor);
  void send_due(Clock::time_point now);

  const UpstreamSettings settings_;
  std::uint16_t port_ = 0;
  int epoll_ = -1;
  int listener_ = -1;
  std::unordered_map<int, Connection> connections_;
  mutable std::uint64_t requests_ = 0;
  std::uint64_t accepted_ = 0, most_open_ = 0;
  std::uint64_t in_this_second_ = 0, most_in_a_second_ = 0;
  Clock::time_point second_ends_{};
};

}  // namespace load
