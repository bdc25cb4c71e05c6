#pragma once
// Streams that stay open over reloads: WebSockets and event streams. Each was let in under some plan and has let that
// plan go; what it keeps is the admission below. After a reload, those whose listener or route is gone, or would not
// let them in as it did, are ended within a second; the others are left alone, and told of their new limits. When the
// gateway stops, all are ended, spread over a time. One registry a worker, on its thread.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/plan.h"
#include "net/loop.h"

namespace sluice::gateway {

// By whom a stream was let in.
struct Admission {
  std::string listener;
  net::Address bind;
  std::shared_ptr<RouteStats> route;  // its name for as long as it has statistics
  std::uint64_t fingerprint = 0;

  static Admission of(const Plan& plan, const ListenerPlan& listener, const RoutePlan& route);
};

// Why a stream is ended, and the code of a WebSocket's Close frame (RFC 6455 section 7.4).
struct StreamEnd {
  static constexpr std::uint16_t going_away = 1001, service_restart = 1012;
  const Cause* cause;
  std::uint16_t close_code;
};

class LongStream {
 public:
  explicit LongStream(Admission admission) : admission_(std::move(admission)) {}

  // The plan in force lets it in as before.
  virtual void adopt(const Plan& plan, const ListenerPlan& listener, const RoutePlan& route) = 0;
  // Ends it after that time, in the right way. Not in this call.
  virtual void end_soon(const StreamEnd& end, Duration after) = 0;

 protected:
  ~LongStream() = default;
  const Admission& admission() const { return admission_; }

 private:
  friend class LongStreams;
  Admission admission_;
  std::size_t place_ = 0;  // in the registry
};

// When a stream that begins now reaches its age; Instant::max() when it never does.
Instant expiry(net::Loop& loop, Instant opened_at, Duration max_age, std::uint32_t jitter_percent);

class LongStreams {
 public:
  static constexpr Duration change_spread = std::chrono::milliseconds(800);  // after a reload

  explicit LongStreams(net::Loop& loop) : loop_(loop) {}

  // `plan`: the one in force, which need not be the one it was let in by.
  void add(LongStream& stream, const Plan& plan);
  void remove(LongStream& stream);
  void adopt(const Plan& plan);
  // Ends all, those to come too. `is_replaced`: by another process, which serves already.
  void drain(const Plan& plan, bool is_replaced);
  std::size_t size() const { return streams_.size(); }

 private:
  void judge(LongStream& stream, const Plan& plan);
  void leave(LongStream& stream, const Plan& plan);
  Duration within(Duration spread);

  net::Loop& loop_;
  std::vector<LongStream*> streams_;
  bool is_draining_ = false, is_replaced_ = false;
};

}  // namespace sluice::gateway
