#pragma once
// Finds routes that no request can reach, by comparing patterns. Sound, not complete: what it reports is certain; a
// route that only several others together hide, or that a regex hides in a subtle way, goes unnoticed.

#include <span>
#include <string>

#include "config/diagnostic.h"
#include "route/config.h"

namespace sluice::route {

// In the order of the file.
struct NamedRule {
  std::string name;
  config::Place place;
  std::string path;  // "routes[2].match": for the message
  const MatchConfig* match = nullptr;
};

// Adds a warning for each route that is `shadowed` (a more preferred route matches every request that it matches) or a
// `duplicate`, with the other route's place and a sample request that both match.
//   cost  near linear in hosts x paths of all routes
void find_unreachable_routes(std::span<const NamedRule> rules, config::Diagnostics& diagnostics);

}  // namespace sluice::route
