#include "route/pattern_match.h"

namespace sluice::route {

bool host_matches(const HostPattern* pattern, std::string_view host) {
  if (pattern == nullptr) return true;
  if (!pattern->is_wildcard) return host == pattern->name;
  if (host.size() < pattern->name.size() + 2 || !host.ends_with(pattern->name)) return false;
  return host[host.size() - pattern->name.size() - 1] == '.';
}

bool path_matches(const PathPattern* pattern, const http::Request& request) {
  if (pattern == nullptr) return true;
  if (!request.path.starts_with('/')) return false;
  if (pattern->kind == PathPattern::Kind::exact) return request.path == pattern->text;
  if (pattern->kind == PathPattern::Kind::regex) return pattern->regex->matches(request.path);
  const auto& fixed = pattern->segments;
  const bool is_prefix = pattern->kind == PathPattern::Kind::prefix;
  if (is_prefix ? request.segments.size() < fixed.size() : request.segments.size() != fixed.size()) return false;
  for (std::size_t i = 0; i < fixed.size(); ++i) {
    const std::string_view segment = request.segments[i];
    if (fixed[i].is_parameter ? segment.empty() : segment != fixed[i].text) return false;
  }
  return true;
}

}  // namespace sluice::route
