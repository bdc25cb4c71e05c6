#pragma once
// One budget for all that a peer does oddly: resets, control frames, empty frames, shut windows. Honest clients do some
// of each; who lives on them is asked to calm down. A bucket of points: odd frames spend them, time and honest work
// earn them back. Cheap: a subtraction for each odd frame, a look at the clock only when points run low.

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/time.h"
#include "http/h2/session.h"

namespace sluice::http::h2 {

class Glitches {
 public:
  // Points of one odd frame. A reset costs work on our side, what it asked for and the undoing of it.
  static constexpr std::array<std::int64_t, oddity_count> price{
      5,   // client_reset
      10,  // server_reset
      1,   // control_frame
      1,   // window_update
      1,   // empty_frame
      2,   // refused_stream
      1,   // field_excess
      50,  // window_stall
  };
  // Earned back by a request that was answered whole, and by a frame of DATA that left: each asks for window updates,
  // some peers ping with them.
  static constexpr std::int64_t for_request = 5, for_data = 4;
  // Points that come back by themselves each second: a tenth of the budget.
  static constexpr std::int64_t seconds_to_fill = 10;

  Glitches(std::int64_t budget, Instant now) : budget_(budget), points_(budget), filled_at_(now) {}

  // False: the budget is used up.
  bool spend(Oddity oddity, Instant now) {
    points_ -= price[static_cast<std::size_t>(oddity)];
    if (points_ >= 0) return true;
    fill(now);
    return points_ >= 0;
  }
  void earn(std::int64_t points) { points_ = std::min(points_ + points, budget_); }

 private:
  void fill(Instant now) {
    constexpr std::int64_t second = 1'000'000'000;
    const std::int64_t passed = std::min<std::int64_t>((now - filled_at_).count(), seconds_to_fill * second);
    filled_at_ = now;
    earn(budget_ * (passed / 1000) / (seconds_to_fill * second / 1000));
  }

  std::int64_t budget_, points_;
  Instant filled_at_;
};

}  // namespace sluice::http::h2
