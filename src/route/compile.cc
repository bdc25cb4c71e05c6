// Builds a router's table. Runs off the workers; cost matters only in that 50,000 routes must be quick.

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>

#include "route/precedence.h"
#include "route/router_table.h"

namespace sluice::route {
namespace {

using Kind = PathPattern::Kind;

}  // namespace

class RouterCompiler {
 public:
  using Table = Router::Table;
  static constexpr std::uint32_t none = Table::none;

  std::unique_ptr<const Table> compile(std::span<const Rule> rules) {
    table_->groups.emplace_back();  // any_host
    for (const Rule& rule : rules) add_rule(rule);
    std::ranges::sort(pending_, [this](const Pending& a, const Pending& b) { return precedes(a, b); });
    place_entries();
    build_regex_nodes();
    std::ranges::sort(table_->wildcard_labels, std::greater<>());
    table_->nodes.shrink_to_fit();
    return std::move(table_);
  }

 private:
  // An alternative on its way to an entry. `terminal` says where a search ends for it: in exact_paths, nodes or
  // regexes_.
  struct Pending {
    Alternative alternative;
    std::uint32_t conditions, group, pattern, key, terminal;
  };
  struct PendingRegex {
    std::shared_ptr<const Regex> regex;
    std::uint32_t node;
    std::vector<std::uint32_t> entries;
  };

  void add_rule(const Rule& rule) {
    const MatchConfig& match = *rule.match;
    const std::uint32_t conditions = add_conditions(match);
    std::vector<std::uint32_t> groups;
    for (const HostPattern& host : match.host) groups.push_back(group_of(host));
    if (match.host.empty()) groups.push_back(Table::any_host);
    const std::size_t paths = std::max<std::size_t>(match.path.size(), 1);
    for (std::uint32_t i = 0; i < paths; ++i) {
      const PathPattern* const path = match.path.empty() ? nullptr : &match.path[i];
      const std::uint32_t pattern = path != nullptr ? add_pattern(*path) : none;
      const auto key = static_cast<std::uint32_t>(keys_.size());
      keys_.push_back(path_key(path));
      for (const std::uint32_t group : groups)
        pending_.emplace_back(Alternative{nullptr, path, &match, rule.route, i}, conditions, group, pattern, key,
                              terminal_of(group, path));
    }
  }

  std::uint32_t add_conditions(const MatchConfig& match) {
    Conditions conditions(match);
    if (conditions.is_empty()) return none;
    table_->conditions.push_back(std::move(conditions));
    return static_cast<std::uint32_t>(table_->conditions.size() - 1);
  }

  std::uint32_t group_of(const HostPattern& host) {
    const auto next = static_cast<std::uint32_t>(table_->groups.size());
    const std::uint32_t group =
        table_->hosts.add(host.is_wildcard ? Table::wildcard_host : Table::exact_host, host.name, next);
    if (group != next) return group;
    table_->groups.emplace_back();
    const std::uint32_t labels = label_count(host.name);
    if (host.is_wildcard && std::ranges::find(table_->wildcard_labels, labels) == table_->wildcard_labels.end())
      table_->wildcard_labels.push_back(labels);
    return group;
  }

  std::uint32_t add_pattern(const PathPattern& path) {
    Table::Pattern pattern{.rest_name = path.rest_name,
                           .fixed_segments = static_cast<std::uint32_t>(path.segments.size()),
                           .has_rest = path.kind == Kind::prefix};
    for (std::uint32_t i = 0; i < path.segments.size(); ++i)
      if (path.segments[i].is_parameter) pattern.slots.emplace_back(path.segments[i].text, i);
    if (path.kind == Kind::regex && !path.regex->group_names().empty()) pattern.regex = path.regex;
    if (pattern.slots.empty() && !pattern.has_rest && pattern.regex == nullptr) return none;
    const auto next = static_cast<std::uint32_t>(table_->patterns.size());
    if (pattern.regex == nullptr)
      if (const auto [known, is_new] = known_patterns_.emplace(pattern_key(pattern), next); !is_new)
        return known->second;
    table_->patterns.push_back(std::move(pattern));
    return next;
  }

  using PatternKey = std::tuple<std::uint32_t, bool, std::string, std::vector<std::pair<std::string, std::uint32_t>>>;
  static PatternKey pattern_key(const Table::Pattern& pattern) {
    PatternKey key{pattern.fixed_segments, pattern.has_rest, pattern.rest_name, {}};
    for (const auto& slot : pattern.slots) std::get<3>(key).emplace_back(slot.name, slot.segment);
    return key;
  }

  std::uint32_t terminal_of(std::uint32_t group, const PathPattern* path) {
    if (path == nullptr) return group;
    switch (path->kind) {
      case Kind::exact: {
        const auto next = static_cast<std::uint32_t>(table_->exact_paths.size());
        const std::uint32_t terminal = table_->paths.add(group, path->text, next);
        if (terminal == next) table_->exact_paths.emplace_back();
        table_->groups[group].has_exact = true;
        return terminal;
      }
      case Kind::regex:
        return regex_terminal(group, *path);
      default:
        break;
    }
    std::uint32_t node = root_of(group);
    for (const PathSegment& segment : path->segments)
      node = segment.is_parameter ? parameter_child(node) : literal_child(node, segment.text);
    return node;
  }

  std::uint32_t regex_terminal(std::uint32_t group, const PathPattern& path) {
    std::uint32_t node = root_of(group);
    const std::string literal = literal_segments(path.text);
    std::string_view rest = literal;
    for (std::size_t depth = 0; !rest.empty() && depth < max_path_segments; ++depth) {
      rest.remove_prefix(1);  // the slash
      const std::size_t end = std::min(rest.find('/'), rest.size());
      node = literal_child(node, rest.substr(0, end));
      rest.remove_prefix(end);
    }
    const auto next = static_cast<std::uint32_t>(regexes_.size());
    const std::uint32_t terminal = regex_index_.add(node, path.text, next);
    if (terminal == next) regexes_.emplace_back(path.regex, node);
    return terminal;
  }

  std::uint32_t root_of(std::uint32_t group) {
    if (table_->groups[group].root == none) table_->groups[group].root = add_node();
    return table_->groups[group].root;
  }
  std::uint32_t literal_child(std::uint32_t node, std::string_view text) {
    const auto next = static_cast<std::uint32_t>(table_->nodes.size());
    const std::uint32_t child = table_->children.add(node, text, next);
    if (child == next) (void)add_node();  // its index is `next`
    table_->nodes[node].has_literals = true;
    return child;
  }
  std::uint32_t parameter_child(std::uint32_t node) {
    if (table_->nodes[node].parameter != none) return table_->nodes[node].parameter;
    const std::uint32_t child = add_node();
    return table_->nodes[node].parameter = child;
  }
  std::uint32_t add_node() {
    table_->nodes.emplace_back();
    return static_cast<std::uint32_t>(table_->nodes.size() - 1);
  }

  bool precedes(const Pending& a, const Pending& b) const {
    if (a.group != b.group) return a.group < b.group;
    if (a.key != b.key)
      if (const auto order = keys_[a.key] <=> keys_[b.key]; order != 0) return order < 0;
    // Equal keys and other terminals never match the same path, but for regexes: entries of one terminal stand
    // together.
    const bool is_regex = a.alternative.path != nullptr && a.alternative.path->kind == Kind::regex;
    if (!is_regex && a.terminal != b.terminal) return a.terminal < b.terminal;
    return compare_conditions(a.alternative, b.alternative) < 0;
  }

  void place_entries() {
    table_->entries.reserve(pending_.size());
    for (const Pending& one : pending_) {
      const auto entry = static_cast<std::uint32_t>(table_->entries.size());
      table_->entries.emplace_back(one.alternative.route, one.conditions, one.pattern);
      const PathPattern* const path = one.alternative.path;
      if (path != nullptr && path->kind == Kind::regex) {
        regexes_[one.terminal].entries.push_back(entry);
        continue;
      }
      Table::Range& range = range_of(path, one.terminal);
      if (range.count++ == 0) range.first = entry;
    }
  }

  Table::Range& range_of(const PathPattern* path, std::uint32_t terminal) {
    if (path == nullptr) return table_->groups[terminal].any_path;
    switch (path->kind) {
      case Kind::exact:
        return table_->exact_paths[terminal];
      case Kind::prefix:
        return table_->nodes[terminal].prefixes;
      default:
        return table_->nodes[terminal].templates;
    }
  }

  void build_regex_nodes() {
    std::ranges::sort(regexes_, [](const PendingRegex& a, const PendingRegex& b) {
      return std::tuple(a.node, a.entries.front()) < std::tuple(b.node, b.entries.front());
    });
    for (std::size_t at = 0; at < regexes_.size();) {
      const std::uint32_t node = regexes_[at].node;
      const auto first_member = static_cast<std::uint32_t>(table_->regex_members.size());
      std::vector<std::shared_ptr<const Regex>> members;
      for (; at < regexes_.size() && regexes_[at].node == node; ++at) {
        PendingRegex& one = regexes_[at];
        auto& all = table_->regex_entries;
        table_->regex_members.emplace_back(static_cast<std::uint32_t>(all.size()),
                                           static_cast<std::uint32_t>(one.entries.size()));
        all.insert(all.end(), one.entries.begin(), one.entries.end());
        members.push_back(std::move(one.regex));
      }
      table_->nodes[node].regexes = static_cast<std::uint32_t>(table_->regex_nodes.size());
      table_->regex_nodes.emplace_back(RegexSet(std::move(members)), first_member);
    }
  }

  std::unique_ptr<Table> table_ = std::make_unique<Table>();
  std::vector<Pending> pending_;
  std::vector<PathKey> keys_;
  std::vector<PendingRegex> regexes_;
  std::map<PatternKey, std::uint32_t> known_patterns_;
  TextIndex regex_index_;  // (node, pattern) -> regexes_
};

std::unique_ptr<const Router> Router::compile(std::span<const Rule> rules) {
  return std::unique_ptr<const Router>(new Router(RouterCompiler().compile(rules)));
}

}  // namespace sluice::route
