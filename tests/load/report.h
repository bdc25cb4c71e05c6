#pragma once
// What came of a load: every request is counted once, as good or as one kind of failure. Printed as one JSON object.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace load {

using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;

class Report {
 public:
  explicit Report(Instant began) : began_(began) {}

  void asked() { ++asked_; }
  void connected() { ++connects_; }
  // Closed by the other side between two requests, in order.
  void closed_idle() { ++closed_idle_; }
  // A kept connection was closed just when a request was sent on it, before any byte of an answer: HTTP/1.1 cannot
  // avoid it, and a client sends the request again (RFC 9112 section 9.3.1). It is asked once more.
  void raced() { ++raced_; }
  // `due`: when the request was to be sent, so that a wait for a connection counts too.
  void good(std::string_view upstream, Instant due, Instant now);
  // `kind` is one of a fixed list, or a status with its cause.
  void failed(std::string_view kind, std::string_view detail, Instant now);

  std::string json(Instant now, std::size_t waiting);

 private:
  struct Second {
    std::uint64_t good = 0, failed = 0;
    std::vector<std::uint32_t> latencies_us;
  };
  Second& second(Instant at);
  void quantiles(std::string& out, std::vector<std::uint32_t>& sorted_here) const;

  const Instant began_;
  std::uint64_t asked_ = 0, good_ = 0, raced_ = 0, connects_ = 0, closed_idle_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> failures_, upstreams_;
  std::vector<std::string> first_;  // failures, as JSON
  std::vector<Second> seconds_;
};

}  // namespace load
