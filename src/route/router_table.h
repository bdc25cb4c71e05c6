#pragma once
// The compiled form of a router: flat arrays that point into each other by index. Filled by compile.cc, read by
// router.cc; nobody else includes this.

#include <cstdint>
#include <string>
#include <vector>

#include "route/conditions.h"
#include "route/regex.h"
#include "route/router.h"
#include "route/text_index.h"

namespace sluice::route {

struct Router::Table {
  static constexpr std::uint32_t none = TextIndex::none;

  // A run of `entries`.
  struct Range {
    std::uint32_t first = 0, count = 0;
  };
  // One alternative (host, path) of a route. Entries are sorted by host group and then by precedence: among entries of
  // one group that match the same request, the smaller index is the more specific. (See precedence.h.)
  struct Entry {
    std::uint32_t route = 0;
    std::uint32_t conditions = none;  // none: it always holds
    std::uint32_t pattern = none;     // none: nothing to capture
  };
  // What to tell about a path once its entry has won. Entries that tell alike share one, so that it is in the cache.
  struct CaptureSlot {
    std::string name;
    std::uint32_t segment;
  };
  struct Pattern {
    std::vector<CaptureSlot> slots;
    std::string rest_name;  // "": the rest has no name
    std::uint32_t fixed_segments = 0;
    bool has_rest = false;
    std::shared_ptr<const Regex> regex;  // or null
  };
  // A node of the segment trie. Its literal children stand in `children`, the node's index being the scope.
  struct Node {
    std::uint32_t parameter = none;  // child for any one segment
    std::uint32_t regexes = none;    // in `regex_nodes`
    Range templates;                 // paths that end here
    Range prefixes;                  // paths that end here or go on
    bool has_literals = false;
  };
  // The regexes that hang at one node. Member i of the set has regex_members[first_member + i].
  struct RegexNode {
    RegexSet set;
    std::uint32_t first_member = 0;
  };
  // All entries of one host pattern.
  struct Group {
    std::uint32_t root = none;  // in `nodes`; none: no template, regex or prefix
    bool has_exact = false;
    Range any_path;
  };

  static constexpr std::uint32_t any_host = 0;  // index of its group
  enum HostScope : std::uint32_t { exact_host, wildcard_host };

  std::vector<Conditions> conditions;  // of one route each
  std::vector<Pattern> patterns;
  std::vector<Entry> entries;
  std::vector<Group> groups;
  std::vector<Node> nodes;
  std::vector<Range> exact_paths;
  std::vector<RegexNode> regex_nodes;
  std::vector<Range> regex_members;            // runs of regex_entries
  std::vector<std::uint32_t> regex_entries;    // ascending in each run
  std::vector<std::uint32_t> wildcard_labels;  // the label counts that occur, descending
  TextIndex hosts;                             // (HostScope, name) -> group
  TextIndex paths;                             // (group, path) -> exact_paths
  TextIndex children;                          // (node, segment) -> node
};

}  // namespace sluice::route
