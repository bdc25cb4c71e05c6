#pragma once
// Why the gateway itself answered, or cut, an exchange. One stable code that stands the same in the log line, the
// metric, the problem+json body and the manual. A cause is a constant with static storage: compared by address, listed
// by its room (http::causes(), gateway::causes(), and each policy kind's own) so that the manual can print them all.

#include <cstdint>

#include "base/result.h"

namespace sluice {

struct Cause {
  const char* code;      // snake_case, never changed once published
  std::uint16_t status;  // what the client is answered when that is still possible
  Side side;             // who broke the exchange
  const char* title;     // the problem's title: short, for the client's developer, names nothing internal
  const char* meaning;   // for the manual: when it happens and what to do
};

// A request or response that is refused, and where. Trivially copyable.
struct Refusal {
  const Cause* cause;
  const char* detail = "";  // static text for the log: which rule was broken
};

}  // namespace sluice
