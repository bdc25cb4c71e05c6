#pragma once
// Finds the route of a request among all routes of one listener, in time that does not grow with their number.
// Not the place where precedence is explained: precedence.h. Not the reasons either: explain.h.
//
// Immutable; any thread may match. Owned by the plan.
//
// How: host name -> group (hash; wildcards by suffix) -> exact path (hash) -> trie over path segments for templates,
// regexes and prefixes. Each regex hangs at the node of its leading literal segments, so that only regexes that could
// match are asked. Worst case: the walk visits a trie node at most once, and at depth k at most min(2^k, nodes of depth
// k), since a path reaches a node of the tree in one way only. Beyond one node per depth that needs templates which
// have a parameter and a literal side by side. Routes with equal host and path that differ only in method, header and
// query are asked one after another.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/arena.h"
#include "http/message.h"
#include "route/config.h"

namespace sluice::route {

using http::Capture;

struct Match {
  std::uint32_t route = 0;            // as given to compile()
  std::span<const Capture> captures;  // in the arena
  bool has_rest = false;              // matched by `/a/*` or `/a/{rest*}`
  std::string_view rest;              // then: the path below /a, without its first slash

  // "" when there is none of that name. Linear: routes have few.
  std::string_view find(std::string_view name) const {
    for (const Capture& capture : captures)
      if (capture.name == name) return capture.value;
    return {};
  }
};

// One route of the listener. `route` numbers routes in the order of the file: lower wins when all else is equal.
struct Rule {
  std::uint32_t route = 0;
  const MatchConfig* match = nullptr;
};

class Router {
 public:
  // Copies what it needs: the configs may go, their regexes are shared. Never null.
  //   cost  about 2 us and 300 bytes a route
  static std::unique_ptr<const Router> compile(std::span<const Rule> rules);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // The most specific route whose conditions all hold; false when there is none. A candidate whose method, header or
  // query condition fails is passed over for the next less specific one.
  //   cost  no heap allocation (but see RegexSet), no lock and no atomic unless regexes are asked
  [[nodiscard]] bool match(const http::Request& request, Arena& arena, Match& out) const;

 private:
  friend class RouterCompiler;
  friend class RouterSearch;
  struct Table;  // router_table.h
  explicit Router(std::unique_ptr<const Table> table);
  std::unique_ptr<const Table> table_;
};

}  // namespace sluice::route
