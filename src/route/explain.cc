#include "route/explain.h"

#include <algorithm>

#include "config/diagnostic.h"
#include "route/conditions.h"
#include "route/pattern_match.h"
#include "route/precedence.h"

namespace sluice::route {
namespace {

std::vector<Alternative> alternatives_of(const Rule& rule) {
  std::vector<Alternative> made;
  const MatchConfig& match = *rule.match;
  for (std::size_t h = 0; h < std::max<std::size_t>(match.host.size(), 1); ++h)
    for (std::uint32_t p = 0; p < std::max<std::size_t>(match.path.size(), 1); ++p)
      made.push_back({.host = match.host.empty() ? nullptr : &match.host[h],
                      .path = match.path.empty() ? nullptr : &match.path[p],
                      .match = &match,
                      .route = rule.route,
                      .path_index = p});
  return made;
}

bool precedes(const Alternative& a, const Alternative& b) {
  if (const auto order = compare_hosts(a.host, b.host); order != 0) return order < 0;
  if (const auto order = path_key(a.path) <=> path_key(b.path); order != 0) return order < 0;
  return compare_conditions(a, b) < 0;
}

// How far one route gets with one request, over all its alternatives.
struct Reached {
  Alternative best;
  Candidate candidate;
};

Outcome outcome_of(Conditions::Stage stage) {
  switch (stage) {
    case Conditions::Stage::method:
      return Outcome::method_differs;
    case Conditions::Stage::header:
      return Outcome::header_differs;
    case Conditions::Stage::query:
      return Outcome::query_differs;
    case Conditions::Stage::none:
      break;
  }
  return Outcome::less_specific;
}

std::string differing_text(std::string_view what, std::string_view value, std::string_view wanted) {
  std::string text(what);
  text += " '";
  config::append_printable(text, value);
  return (text += "' does not match ") += wanted;
}

std::string host_text(const HostPattern& host) { return (host.is_wildcard ? "*." : "") + host.name; }

Reached reach(const Rule& rule, const http::Request& request, Arena& arena) {
  const Conditions conditions(*rule.match);
  const auto failure = conditions.find_failure(request, arena);
  Reached reached{.candidate = {.route = rule.route}};
  bool is_first = true;
  for (const Alternative& one : alternatives_of(rule)) {
    Outcome outcome = outcome_of(failure.stage);
    if (!host_matches(one.host, request.host)) {
      outcome = Outcome::host_differs;
    } else if (!path_matches(one.path, request)) {
      outcome = Outcome::path_differs;
    }
    const Outcome known = reached.candidate.outcome;
    if (!is_first && (outcome < known || (outcome == known && !precedes(one, reached.best)))) continue;
    is_first = false;
    reached.best = one;
    reached.candidate.outcome = outcome;
  }
  switch (reached.candidate.outcome) {
    case Outcome::host_differs:
      reached.candidate.text = differing_text("host", request.host, host_text(*reached.best.host));
      break;
    case Outcome::path_differs:
      reached.candidate.text = differing_text("path", request.path, reached.best.path->text);
      break;
    default:
      reached.candidate.text = conditions.describe(failure, request, arena);
  }
  return reached;
}

}  // namespace

std::vector<Candidate> explain(const Router& router, std::span<const Rule> rules, const http::Request& request,
                               Arena& arena) {
  std::vector<Reached> all;
  all.reserve(rules.size());
  for (const Rule& rule : rules) all.push_back(reach(rule, request, arena));
  std::ranges::sort(all, [](const Reached& a, const Reached& b) { return precedes(a.best, b.best); });
  Match match;
  const bool is_found = router.match(request, arena, match);
  std::vector<Candidate> candidates;
  candidates.reserve(all.size());
  for (Reached& one : all) {
    Candidate& candidate = candidates.emplace_back(std::move(one.candidate));
    if (is_found && candidate.route == match.route) {
      candidate.outcome = Outcome::chosen;
      candidate.text = "chosen";
    } else if (candidate.outcome == Outcome::less_specific) {
      candidate.text = "matches too, but is less specific";
    }
  }
  return candidates;
}

}  // namespace sluice::route
