#include "route/router.h"

#include <algorithm>
#include <array>

#include "route/router_table.h"

namespace sluice::route {
namespace {

// Nodes seen by a walk: nearly always a handful, kept on the stack; more go to the arena.
class NodeList {
 public:
  void add(std::uint32_t node, Arena& arena) {
    if (size_ == nodes_.size()) {
      const auto more = arena.make_array<std::uint32_t>(nodes_.size() * 2);
      std::ranges::copy(nodes_, more.begin());
      nodes_ = more;
    }
    nodes_[size_++] = node;
  }
  std::span<const std::uint32_t> all() const { return nodes_.first(size_); }

 private:
  std::array<std::uint32_t, 16> first_;
  std::span<std::uint32_t> nodes_{first_};
  std::size_t size_ = 0;
};

}  // namespace

// One question to a table. Lives on the stack of match().
class RouterSearch {
 public:
  using Table = Router::Table;
  static constexpr std::uint32_t none = Table::none;

  RouterSearch(const Table& table, const http::Request& request, Arena& arena)
      : table_(table), request_(request), arena_(arena) {}

  // The winning entry, or `none`.
  std::uint32_t run() {
    if (!request_.host.empty()) {
      if (const std::uint32_t group = table_.hosts.find(Table::exact_host, request_.host); group != none)
        if (const std::uint32_t entry = find_in(table_.groups[group]); entry != none) return entry;
      if (!table_.wildcard_labels.empty())
        if (const std::uint32_t entry = find_in_wildcards(); entry != none) return entry;
    }
    return find_in(table_.groups[Table::any_host]);
  }

  void fill(std::uint32_t entry, Match& out) {
    out = {.route = table_.entries[entry].route};
    if (const std::uint32_t index = table_.entries[entry].pattern; index != none)
      fill_captures(table_.patterns[index], out);
  }

 private:
  // Longer domains first. A host of many labels costs no more look-ups than there are label counts in the table.
  std::uint32_t find_in_wildcards() {
    std::array<std::uint32_t, 128> starts;  // of the domain made of the last k labels
    const std::string_view host = request_.host;
    std::uint32_t known = 0;
    const std::uint32_t most = std::min<std::uint32_t>(table_.wildcard_labels.front(), starts.size() - 1);
    for (std::size_t at = host.size(); known < most && at-- > 1;)
      if (host[at] == '.') starts[++known] = static_cast<std::uint32_t>(at + 1);
    for (const std::uint32_t labels : table_.wildcard_labels) {
      if (labels > known) continue;
      const std::uint32_t group = table_.hosts.find(Table::wildcard_host, host.substr(starts[labels]));
      if (group == none) continue;
      if (const std::uint32_t entry = find_in(table_.groups[group]); entry != none) return entry;
    }
    return none;
  }

  std::uint32_t find_in(const Table::Group& group) {
    if (request_.path.starts_with('/')) {  // `*` has no path that a pattern could match
      if (group.has_exact) {
        const auto index = static_cast<std::uint32_t>(&group - table_.groups.data());
        if (const std::uint32_t path = table_.paths.find(index, request_.path); path != none)
          if (const std::uint32_t entry = first_holding(table_.exact_paths[path]); entry != none) return entry;
      }
      if (group.root != none)
        if (const std::uint32_t entry = find_in_trie(group.root); entry != none) return entry;
    }
    return first_holding(group.any_path);
  }

  std::uint32_t find_in_trie(std::uint32_t root) {
    NodeList regexes, prefixes;
    if (const std::uint32_t entry = walk(root, regexes, prefixes); entry != none) return entry;
    std::uint32_t best = none;
    for (const std::uint32_t node : regexes.all()) best = best_regex(table_.regex_nodes[node], best);
    if (best != none) return best;
    for (const std::uint32_t node : prefixes.all()) {
      const Table::Range range = table_.nodes[node].prefixes;
      if (range.first < best) best = std::min(best, first_holding(range));
    }
    return best;
  }

  // Follows the path through the trie, literals first, which is the order of precedence among templates: the first one
  // whose conditions hold is the winner. Notes the regexes and prefixes passed on the way.
  std::uint32_t walk(std::uint32_t root, NodeList& regexes, NodeList& prefixes) {
    struct Branch {
      std::uint32_t node, depth;
    };
    std::array<Branch, max_path_segments + 1> open;  // at most one a depth: a literal was taken there
    std::size_t open_count = 0;
    Branch at{root, 0};
    for (;;) {
      const Table::Node& node = table_.nodes[at.node];
      if (node.regexes != none) regexes.add(node.regexes, arena_);
      if (node.prefixes.count != 0) prefixes.add(at.node, arena_);
      std::uint32_t next = none;
      if (at.depth == request_.segments.size()) {
        if (const std::uint32_t entry = first_holding(node.templates); entry != none) return entry;
      } else {
        const std::string_view segment = request_.segments[at.depth];
        const std::uint32_t parameter = segment.empty() ? none : node.parameter;
        next = node.has_literals ? table_.children.find(at.node, segment) : none;
        if (next == none) {
          next = parameter;
        } else if (parameter != none) {
          open[open_count++] = {parameter, at.depth + 1};
        }
      }
      if (next != none) {
        at = {next, at.depth + 1};
      } else if (open_count != 0) {
        at = open[--open_count];
      } else {
        return none;
      }
    }
  }

  std::uint32_t best_regex(const Table::RegexNode& node, std::uint32_t best) {
    node.set.each_match(request_.path, [&](std::uint32_t member) {
      const Table::Range range = table_.regex_members[node.first_member + member];
      for (const std::uint32_t entry : std::span(table_.regex_entries).subspan(range.first, range.count)) {
        if (entry >= best) break;
        if (holds(entry)) best = entry;
      }
    });
    return best;
  }

  std::uint32_t first_holding(Table::Range range) {
    for (std::uint32_t entry = range.first; entry < range.first + range.count; ++entry)
      if (holds(entry)) return entry;
    return none;
  }
  bool holds(std::uint32_t entry) const {
    const std::uint32_t conditions = table_.entries[entry].conditions;
    return conditions == none || table_.conditions[conditions].hold(request_, arena_);
  }

  void fill_captures(const Table::Pattern& pattern, Match& out) {
    if (pattern.regex != nullptr) return fill_groups(*pattern.regex, out);
    const bool names_rest = pattern.has_rest && !pattern.rest_name.empty();
    const auto captures = arena_.make_array<Capture>(pattern.slots.size() + (names_rest ? 1 : 0));
    for (std::size_t i = 0; i < pattern.slots.size(); ++i)
      captures[i] = {pattern.slots[i].name, request_.segments[pattern.slots[i].segment]};
    if (pattern.has_rest) {
      std::size_t start = 0;
      for (const std::string_view segment : request_.segments.first(pattern.fixed_segments))
        start += 1 + segment.size();
      out.has_rest = true;
      out.rest = request_.path.substr(std::min(start + 1, request_.path.size()));
      if (names_rest) captures.back() = {pattern.rest_name, out.rest};
    }
    out.captures = captures;
  }

  void fill_groups(const Regex& regex, Match& out) {
    const auto names = regex.group_names();
    const auto values = arena_.make_array<std::string_view>(names.size());
    const auto captures = arena_.make_array<Capture>(names.size());
    (void)regex.capture(request_.path, values);  // it matched before
    for (std::size_t i = 0; i < names.size(); ++i) captures[i] = {names[i], values[i]};
    out.captures = captures;
  }

  const Table& table_;
  const http::Request& request_;
  Arena& arena_;
};

Router::Router(std::unique_ptr<const Table> table) : table_(std::move(table)) {}
Router::~Router() = default;

bool Router::match(const http::Request& request, Arena& arena, Match& out) const {
  RouterSearch search(*table_, request, arena);
  const std::uint32_t entry = search.run();
  if (entry == Table::none) return false;
  search.fill(entry, out);
  return true;
}

}  // namespace sluice::route
