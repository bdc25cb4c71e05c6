#pragma once
// How long a peer that keeps us waiting is waited for. Patience is a bucket: each byte the peer moves earns 1/rate
// seconds of it, waiting spends it, and no more than `most` is ever saved. So a trickle buys nothing, and a quick start
// buys `most` and no more. Not a timer, and it counts no bytes: both are the connection's. Cheap: wait() and stop() are
// a store each, and bytes are looked at only after seconds of waiting.

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace sluice::http::h1 {

class Pace {
 public:
  struct Terms {
    std::uint32_t least_rate;  // bytes a second; 0: any byte within `most` will do
    Duration grace;            // patience at the start
    Duration most;             // never more than this without a byte
  };
  // Of waiting between two looks at what was moved: what a peer may hold longer than it should, and how often one near
  // the least rate costs a look.
  static constexpr Duration longest_wait = std::chrono::seconds(5);
  static constexpr Duration least_wait = std::chrono::seconds(1);

  // A new message, none of whose bytes has moved.
  void start(const Terms& terms) {
    spread(terms, terms.least_rate == 0 ? terms.most : std::min(terms.grace, terms.most));
    counted_ = 0;
    is_waiting_ = has_waited_ = false;
  }
  // Before the first wait() of a message that may stand behind another: what of both has moved by now. Less than
  // nothing when the other's bytes are still on their way; that they move is moving too.
  void count_from(std::int64_t moved) { counted_ = std::min<std::int64_t>(moved, 0); }
  bool has_waited() const { return has_waited_; }
  // The peer keeps us waiting from now on.
  void wait(Instant now) {
    since_ = now;
    is_waiting_ = has_waited_ = true;
  }
  // It does not any more. What it moved counts when it is looked at next.
  void stop(Instant now) {
    until_look_ -= now - since_;
    is_waiting_ = false;
  }
  bool is_waiting() const { return is_waiting_; }
  // When to look at it, by renew(). Never earlier than it was, however often the peer lets us wait and go on.
  Instant deadline() const { return is_waiting_ ? since_ + until_look_ : Instant::max(); }
  // At the deadline. `moved`: bytes since start(). True: it is waited for until the new deadline().
  bool renew(const Terms& terms, std::int64_t moved, Instant now) {
    const std::int64_t fresh = std::max<std::int64_t>(moved - counted_, 0);
    counted_ += fresh;
    const Duration left = saved_ + until_look_ - (now - since_) + earned(terms, fresh);
    since_ = now;
    spread(terms, std::min(left, terms.most));
    return left > Duration::zero();
  }

 private:
  void spread(const Terms& terms, Duration patience) {
    until_look_ = std::clamp(patience, std::min(least_wait, terms.most), longest_wait);
    saved_ = patience - until_look_;
  }
  static Duration earned(const Terms& terms, std::int64_t bytes) {
    const Duration enough = 2 * (terms.most + longest_wait);  // fills the bucket whatever is owed
    if (bytes == 0) return Duration::zero();
    if (terms.least_rate == 0) return enough;
    const std::int64_t seconds = bytes / terms.least_rate;
    if (seconds >= std::chrono::ceil<std::chrono::seconds>(enough).count()) return enough;
    constexpr std::int64_t second = 1'000'000'000;
    return Duration(seconds * second + bytes % terms.least_rate * second / terms.least_rate);
  }

  Duration until_look_{};  // waiting left before the next look
  Duration saved_{};       // patience beyond that; negative: lent, and owed at the look
  Instant since_{};
  std::int64_t counted_ = 0;
  bool is_waiting_ = false;
  bool has_waited_ = false;
};

}  // namespace sluice::http::h1
