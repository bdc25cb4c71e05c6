#pragma once
// Why a request took its route and not another: what `sluice explain` prints. Not for the request path: it looks at
// every route, linearly.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/arena.h"
#include "http/message.h"
#include "route/router.h"

namespace sluice::route {

// How far a route got. The order is the order in which conditions are asked.
enum class Outcome : std::uint8_t {
  host_differs,
  path_differs,
  method_differs,
  header_differs,
  query_differs,
  less_specific,  // all its conditions hold; a more specific route was chosen
  chosen,
};

struct Candidate {
  std::uint32_t route = 0;
  Outcome outcome = Outcome::host_differs;
  std::string text;  // "header x-beta: want exactly '1', got '2'"
};

// One candidate a route, in the order of precedence of that alternative (host, path) of it which got furthest.
// `router` is compiled from `rules`; the chosen one is what router.match() says.
std::vector<Candidate> explain(const Router& router, std::span<const Rule> rules, const http::Request& request,
                               Arena& arena);

}  // namespace sluice::route
