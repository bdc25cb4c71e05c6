#pragma once
// What the HTTP/2 servers of one worker count. Written on its thread, read by any.

#include <array>

#include "base/counter.h"
#include "http/h2/session.h"

namespace sluice::http::h2 {

struct ServerCounters {
  Counter connections;
  Gauge connections_open;
  Counter streams;
  Gauge streams_open;
  std::array<Counter, oddity_count> oddities;
  Counter calmed;              // connections ended because their budget was used up
  Counter refused_for_memory;  // streams
  Counter stalled;             // streams cut because their window stayed shut
  Gauge session_bytes;         // what libnghttp2 holds
};

}  // namespace sluice::http::h2
