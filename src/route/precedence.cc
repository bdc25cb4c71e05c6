#include "route/precedence.h"

#include <algorithm>
#include <tuple>

namespace sluice::route {

PathKey path_key(const PathPattern* path) {
  if (path == nullptr) return {.kind = 4};
  PathKey key{.kind = static_cast<std::uint32_t>(path->kind)};
  const bool is_prefix = path->kind == PathPattern::Kind::prefix;
  if (!is_prefix && path->kind != PathPattern::Kind::template_) return key;
  std::uint32_t literals = 0;
  for (const PathSegment& segment : path->segments) {
    key.shape += segment.is_parameter ? 'p' : 'l';
    literals += segment.is_parameter ? 0 : 1;
  }
  key.shape += 'z';
  if (is_prefix) key.literals_missing = static_cast<std::uint32_t>(max_path_segments) - literals;
  return key;
}

std::uint32_t label_count(std::string_view domain) {
  return 1 + static_cast<std::uint32_t>(std::ranges::count(domain, '.'));
}

std::weak_ordering compare_hosts(const HostPattern* a, const HostPattern* b) {
  const auto vagueness = [](const HostPattern* host) -> std::uint32_t {
    if (host == nullptr) return 1000;  // a name has at most 127 labels
    return host->is_wildcard ? 999 - label_count(host->name) : 0;
  };
  return vagueness(a) <=> vagueness(b);
}

std::weak_ordering compare_conditions(const Alternative& a, const Alternative& b) {
  const auto& [am, bm] = std::tie(*a.match, *b.match);
  if (const auto order = am.method.empty() <=> bm.method.empty(); order != 0) return order;
  if (const auto order = bm.header.list.size() <=> am.header.list.size(); order != 0) return order;
  if (const auto order = bm.query.list.size() <=> am.query.list.size(); order != 0) return order;
  if (const auto order = a.route <=> b.route; order != 0) return order;
  return a.path_index <=> b.path_index;
}

}  // namespace sluice::route
