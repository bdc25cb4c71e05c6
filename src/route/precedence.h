#pragma once
// Which of several routes that match a request takes it. This is the one description; the router, explain and the
// analysis follow it, and docs/routing.md repeats it.
//
//  1. Host: an exact name, then the wildcard with more labels, then no host condition.
//  2. Path, when the hosts are equal:
//       exact                       /users/me
//       template                    /users/{id}; segment by segment from the left, a literal before a parameter
//       regex                       all regexes are equal
//       prefix                      /users/*, /users/{rest*}; more literal segments first, then segment by segment from
//       the
//                                   left: a literal before a parameter before the end
//       no path condition
//  3. A method condition before none.
//  4. More header conditions.
//  5. More query conditions.
//  6. The order of the file; inside a route, the order of its paths.
//
// All conditions of a route must hold. Where the most specific candidate fails its method, header or query conditions,
// the next one is tried: first all paths of the same host pattern, then the less specific host pattern.

#include <compare>
#include <cstdint>
#include <string>

#include "route/config.h"

namespace sluice::route {

// One alternative of a route: one of its hosts with one of its paths.
struct Alternative {
  const HostPattern* host = nullptr;  // nullptr: any
  const PathPattern* path = nullptr;  // nullptr: any
  const MatchConfig* match = nullptr;
  std::uint32_t route = 0;       // in file order
  std::uint32_t path_index = 0;  // in match->path
};

// Sorts paths: smaller is more specific. Equal keys: the same pattern up to the names of parameters, or patterns that
// never match the same path, or two regexes.
struct PathKey {
  std::uint32_t kind = 0;              // PathPattern::Kind; no path condition comes last
  std::uint32_t literals_missing = 0;  // prefix: max_path_segments less its literal segments
  std::string shape;                   // a letter a segment: 'l'iteral, 'p'arameter, 'z' the end
  auto operator<=>(const PathKey&) const = default;
};
PathKey path_key(const PathPattern* path);

// Labels of a wildcard's domain; more is more specific.
std::uint32_t label_count(std::string_view domain);

// By the hosts alone: exact, wildcards by labels, any. Equal for all exact names and for wildcards of equal depth.
std::weak_ordering compare_hosts(const HostPattern* a, const HostPattern* b);
// Rules 3 to 6: between alternatives whose host and path are equally specific.
std::weak_ordering compare_conditions(const Alternative& a, const Alternative& b);

}  // namespace sluice::route
