// A more preferred route hides another only when it stands at the same host and path pattern: any other more specific
// pattern matches less. The one exception is a regex, which is preferred to prefixes and may match all that a prefix
// matches. So alternatives are sorted into buckets of equal host and path, and only those of one bucket are compared.

#include "route/analysis.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "route/precedence.h"
#include "route/witness.h"

namespace sluice::route {
namespace {

// How many more preferred alternatives of a bucket one alternative is compared with: keeps the whole near linear.
constexpr std::size_t max_compared = 64;

std::string host_key(const HostPattern* host) {
  if (host == nullptr) return "*";
  return (host->is_wildcard ? "*." : "") + host->name;
}

// Equal for patterns that match the same paths: the names of parameters do not matter.
std::string path_bucket_key(const PathPattern* path) {
  if (path == nullptr) return "any";
  if (path->kind == PathPattern::Kind::exact) return "exact " + path->text;
  if (path->kind == PathPattern::Kind::regex) return "regex " + path->text;
  std::string key = path->kind == PathPattern::Kind::prefix ? "prefix " : "template ";
  for (const PathSegment& segment : path->segments) key += segment.is_parameter ? "/{}" : "/" + segment.text;
  return key;
}

template <class T, class Key>
bool has_all(const std::vector<T>& wide, const std::vector<T>& narrow, Key key) {
  if (wide.empty()) return true;  // no condition
  if (narrow.empty()) return false;
  return std::ranges::all_of(narrow, [&](const T& one) {
    return std::ranges::any_of(wide, [&](const T& other) { return key(other) == key(one); });
  });
}

// Whether a value (or absence) that satisfies `given` satisfies `wanted` too.
bool is_implied(const StringMatch& wanted, const StringMatch& given) {
  using Kind = StringMatch::Kind;
  if (wanted.kind == Kind::absent || given.kind == Kind::absent) return wanted.kind == given.kind;
  if (wanted.kind == Kind::present) return true;
  if (given.kind == Kind::exact) return wanted.holds(given.text);
  if (wanted.kind == Kind::prefix) return given.kind == Kind::prefix && given.text.starts_with(wanted.text);
  return wanted.kind == given.kind && wanted.text == given.text;
}

bool are_implied(const std::vector<NamedMatch>& wanted, const std::vector<NamedMatch>& given) {
  return std::ranges::all_of(wanted, [&](const NamedMatch& one) {
    const auto same = std::ranges::find(given, one.name, &NamedMatch::name);
    return same != given.end() && is_implied(one.match, same->match);
  });
}

// Whether all that satisfies the conditions of `narrow` satisfies those of `wide`; host and path aside.
bool conditions_cover(const MatchConfig& wide, const MatchConfig& narrow) {
  return has_all(wide.listener, narrow.listener, [](const auto& one) -> const std::string& { return one.value; }) &&
         has_all(wide.method, narrow.method, [](const MethodName& one) -> const std::string& { return one.name; }) &&
         are_implied(wide.header.list, narrow.header.list) && are_implied(wide.query.list, narrow.query.list);
}

// Whether every path of the prefix pattern begins with `literal`, which ends in a slash.
bool prefix_lies_below(const PathPattern& path, std::string_view literal) {
  std::string known = "/";
  for (std::size_t i = 0; i < path.segments.size() && !path.segments[i].is_parameter; ++i) {
    known += path.segments[i].text;
    if (i + 1 < path.segments.size()) known += '/';  // the last one may end the path
  }
  return known.starts_with(literal);
}

// "/api/" for the regex `/api/.*`; "" for a regex that is not a literal folder and all below.
std::string folder_of(const PathPattern& path) {
  std::string_view text = path.text;
  if (text.ends_with('$')) text.remove_suffix(1);
  if (!text.ends_with("/.*")) return {};
  const std::string literal = literal_beginning(path.text);
  const std::size_t anchor = text.starts_with('^') ? 1 : 0;
  const bool is_all_literal = literal.ends_with('/') && text.substr(anchor, text.size() - anchor - 2) == literal;
  return is_all_literal ? literal : std::string();
}

class Analysis {
 public:
  Analysis(std::span<const NamedRule> rules, config::Diagnostics& diagnostics)
      : rules_(rules), diagnostics_(diagnostics) {}

  void run() {
    for (std::uint32_t i = 0; i < rules_.size(); ++i) add(i);
    hidden_by_.resize(alternatives_.size(), nullptr);
    for (auto& [key, bucket] : buckets_) compare(bucket);
    for (std::uint32_t first = 0; first < alternatives_.size();) first = report(first);
  }

 private:
  using Bucket = std::vector<std::uint32_t>;  // of alternatives_

  void add(std::uint32_t route) {
    const MatchConfig& match = *rules_[route].match;
    for (std::size_t h = 0; h < std::max<std::size_t>(match.host.size(), 1); ++h)
      for (std::uint32_t p = 0; p < std::max<std::size_t>(match.path.size(), 1); ++p) {
        const HostPattern* const host = match.host.empty() ? nullptr : &match.host[h];
        const PathPattern* const path = match.path.empty() ? nullptr : &match.path[p];
        const auto index = static_cast<std::uint32_t>(alternatives_.size());
        alternatives_.push_back({host, path, &match, route, p});
        const std::string name = host_key(host);
        buckets_[name + ' ' + path_bucket_key(path)].push_back(index);
        if (path != nullptr && path->kind == PathPattern::Kind::regex && !folder_of(*path).empty())
          folders_[name].push_back(index);
      }
  }

  void compare(Bucket& bucket) {
    std::ranges::sort(bucket, [this](std::uint32_t a, std::uint32_t b) {
      return compare_conditions(alternatives_[a], alternatives_[b]) < 0;
    });
    for (std::size_t i = 0; i < bucket.size(); ++i) {
      const std::uint32_t narrow = bucket[i];
      for (std::size_t j = 0; j < std::min(i, max_compared) && hidden_by_[narrow] == nullptr; ++j)
        hide(narrow, bucket[j]);
      // Neighbours are the likeliest duplicates in a bucket too large to be compared wholly.
      if (i > max_compared && hidden_by_[narrow] == nullptr) hide(narrow, bucket[i - 1]);
      if (hidden_by_[narrow] == nullptr) compare_with_folders(narrow);
    }
  }

  // Prefixes below a folder that a regex takes whole.
  void compare_with_folders(std::uint32_t narrow) {
    const Alternative& one = alternatives_[narrow];
    if (one.path == nullptr || one.path->kind != PathPattern::Kind::prefix) return;
    const auto found = folders_.find(host_key(one.host));
    if (found == folders_.end()) return;
    for (std::size_t i = 0; i < std::min(found->second.size(), max_compared) && hidden_by_[narrow] == nullptr; ++i)
      if (prefix_lies_below(*one.path, folder_of(*alternatives_[found->second[i]].path)))
        hide(narrow, found->second[i]);
  }

  void hide(std::uint32_t narrow, std::uint32_t wide) {
    const Alternative& hidden = alternatives_[narrow];
    const Alternative& hiding = alternatives_[wide];
    if (hidden.route != hiding.route && conditions_cover(*hiding.match, *hidden.match)) hidden_by_[narrow] = &hiding;
  }

  // Looks at all alternatives of one route, the first at `first`; returns where the next route's begin.
  std::uint32_t report(std::uint32_t first) {
    const std::uint32_t route = alternatives_[first].route;
    bool is_hidden = true;
    std::uint32_t end = first;
    for (; end < alternatives_.size() && alternatives_[end].route == route; ++end)
      is_hidden &= hidden_by_[end] != nullptr;
    if (is_hidden) warn(alternatives_[first], *hidden_by_[first], end - first == 1);
    return end;
  }

  void warn(const Alternative& hidden, const Alternative& hiding, bool is_single) {
    const NamedRule& rule = rules_[hidden.route];
    const NamedRule& other = rules_[hiding.route];
    const bool is_duplicate = is_single && conditions_cover(*hidden.match, *hiding.match) &&
                              path_bucket_key(hidden.path) == path_bucket_key(hiding.path) &&
                              hiding.match->host.size() <= 1 && hiding.match->path.size() <= 1;
    const std::string name = "route '" + std::string(rule.name) + "'", taker = "'" + std::string(other.name) + "'";
    auto& added = diagnostics_.warning(
        rule.place, is_duplicate ? "duplicate_route" : "shadowed_route", rule.path,
        is_duplicate ? name + " matches what route " + taker + " matches and is never taken"
                     : name + " is never taken: route " + taker + " is preferred for all its requests");
    added.notes.emplace_back("route " + taker + " is here", other.place);
    const std::string sample = witness(hidden, hiding);
    added.help = sample.empty()
                     ? "remove one of them, or tell them apart by a condition"
                     : "both match, for example, " + sample + "; remove one, or tell them apart by a condition";
  }

  std::span<const NamedRule> rules_;
  config::Diagnostics& diagnostics_;
  std::vector<Alternative> alternatives_;            // those of one route stand together, in file order
  std::vector<const Alternative*> hidden_by_;        // of each alternative
  std::unordered_map<std::string, Bucket> buckets_;  // by host and path
  std::unordered_map<std::string, Bucket> folders_;  // regexes like /a/.*, by host
};

}  // namespace

void find_unreachable_routes(std::span<const NamedRule> rules, config::Diagnostics& diagnostics) {
  Analysis(rules, diagnostics).run();
}

}  // namespace sluice::route
