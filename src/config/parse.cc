// From libyaml's events to the tree. Iterative: depth is a limit of ours, never the stack's.

#include <fmt/format.h>
#include <yaml.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/core_schema.h"
#include "config/document.h"
#include "config/suggest.h"
#include "config/syntax_error.h"

namespace sluice::config {
namespace {

constexpr std::size_t few_keys = 12;  // up to here comparing all pairs is quicker than sorting

std::string_view view(const yaml_char_t* text) {
  return text == nullptr ? std::string_view() : std::string_view(reinterpret_cast<const char*>(text));
}

// Refused, and left out of the tree: one message is enough.
bool is_merge(const Node& key) { return key.text() == "<<" && !key.is_quoted(); }

class Builder {
 public:
  Builder(std::uint16_t file, Diagnostics& diagnostics)
      : file_(file), diagnostics_(diagnostics), memory_(std::make_unique<Arena>()) {}

  // Takes one event. False: go no further; why has been said, or the stream has ended.
  bool take(const yaml_event_t& event);

  bool has_failed() const { return has_failed_; }
  Document finish() && {
    const bool is_empty = !root_ || root_->kind() == Kind::null;
    Node root = is_empty ? Node::map({}, Place{.line = 1, .column = 1, .file = file_, .width = 0}) : *root_;
    return Document(std::move(memory_), root, is_empty);
  }

 private:
  // A node with what it stands for once its aliases are followed.
  struct Sized {
    Node node;
    std::size_t weight = 1;  // nodes
    std::size_t height = 1;  // levels
  };
  struct Frame {
    bool is_map;
    std::size_t first_child;  // index in pending_
    Place place;
    std::string anchor;
    std::size_t weight = 1;
    std::size_t height = 1;
  };

  Place place_of(const yaml_event_t& event) const;
  bool fail(Place place, std::string_view code, std::string what, std::string help);
  void refuse_tag(const yaml_event_t& event, std::string_view tag);
  bool begin(const yaml_event_t& event, bool is_map, std::string_view anchor, std::string_view tag);
  bool end(const yaml_event_t& event);
  bool scalar(const yaml_event_t& event);
  bool alias(const yaml_event_t& event);
  bool unknown_alias(std::string_view name, Place place);
  bool place_node(Sized made, std::string_view anchor);
  bool count(std::size_t nodes, Place place);
  bool check_key(const Node& key);
  void check_duplicates(std::span<const Entry> entries);
  void report_duplicate(const Node& first, const Node& second);
  bool awaits_key() const {
    return !frames_.empty() && frames_.back().is_map && (pending_.size() - frames_.back().first_child) % 2 == 0;
  }

  std::uint16_t file_;
  Diagnostics& diagnostics_;
  std::unique_ptr<Arena> memory_;
  std::optional<Node> root_;
  std::vector<Frame> frames_;
  std::vector<Node> pending_;  // children of all open frames, innermost last
  std::unordered_map<std::string, Sized> anchors_;
  std::vector<std::uint32_t> order_;  // kept for its memory
  std::size_t total_ = 0;             // nodes, aliases followed
  std::size_t documents_ = 0;
  bool has_failed_ = false;
};

Place Builder::place_of(const yaml_event_t& event) const {
  const auto& from = event.start_mark;
  const auto& to = event.end_mark;
  const std::size_t width = to.line == from.line && to.column > from.column ? to.column - from.column : 0;
  return {static_cast<std::uint32_t>(from.line + 1), static_cast<std::uint32_t>(from.column + 1), file_,
          static_cast<std::uint16_t>(std::min<std::size_t>(width, 0xffff))};
}

bool Builder::fail(Place place, std::string_view code, std::string what, std::string help) {
  diagnostics_.error(place, code, "", std::move(what)).help = std::move(help);
  has_failed_ = true;
  return false;
}

bool Builder::take(const yaml_event_t& event) {
  switch (event.type) {
    case YAML_DOCUMENT_START_EVENT:
      if (++documents_ == 1) return true;
      // What stands in the first document is still worth checking.
      diagnostics_.error(place_of(event), "several_documents", "", "a second document begins here").help =
          "a config is one document: remove the '---', or move the rest to a file of its own";
      return false;
    case YAML_SCALAR_EVENT:
      return scalar(event);
    case YAML_ALIAS_EVENT:
      return alias(event);
    case YAML_SEQUENCE_START_EVENT:
      return begin(event, false, view(event.data.sequence_start.anchor), view(event.data.sequence_start.tag));
    case YAML_MAPPING_START_EVENT:
      return begin(event, true, view(event.data.mapping_start.anchor), view(event.data.mapping_start.tag));
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
      return end(event);
    case YAML_STREAM_END_EVENT:
      return false;
    default:
      return true;
  }
}

void Builder::refuse_tag(const yaml_event_t& event, std::string_view tag) {
  if (tag.empty()) return;
  constexpr std::string_view standard = "tag:yaml.org,2002:";
  const std::string shown =
      tag.starts_with(standard) ? fmt::format("!!{}", tag.substr(standard.size())) : std::string(tag);
  Place place = place_of(event);
  place.width = 0;
  diagnostics_.error(place, "tag", "", fmt::format("tags are not supported: '{}'", shown.substr(0, 60))).help =
      "remove it; a quoted value is text";
}

bool Builder::begin(const yaml_event_t& event, bool is_map, std::string_view anchor, std::string_view tag) {
  Place place = place_of(event);
  if (awaits_key()) {
    return fail(place, "key_is_not_text", is_map ? "a map cannot be a key" : "a list cannot be a key",
                "quote a text that begins with '{' or '['");
  }
  if (frames_.size() == max_depth) {
    return fail(place, "too_deep", fmt::format("lists and maps are nested more than {} levels deep", max_depth),
                "no setting needs this depth; check the brackets and the indentation");
  }
  if (!count(1, place)) return false;
  refuse_tag(event, tag);
  place.width = 0;  // until its end is seen
  frames_.push_back({is_map, pending_.size(), place, std::string(anchor)});
  return true;
}

bool Builder::end(const yaml_event_t& event) {
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  const auto& to = event.end_mark;  // of a block: where it begins again, so no width
  if (to.line + 1 == frame.place.line && to.column + 1 > frame.place.column)
    frame.place.width = static_cast<std::uint16_t>(std::min<std::size_t>(to.column + 1 - frame.place.column, 0xffff));

  const std::span<const Node> children = std::span(pending_).subspan(frame.first_child);
  Sized made{.weight = frame.weight, .height = frame.height};
  if (frame.is_map) {
    const auto entries = memory_->make_array<Entry>(children.size() / 2);
    for (std::size_t i = 0; i < entries.size(); ++i) entries[i] = {children[2 * i], children[2 * i + 1]};
    check_duplicates(entries);
    const auto kept_end =
        std::remove_if(entries.begin(), entries.end(), [](const Entry& e) { return is_merge(e.key); });
    made.node = Node::map(std::span(entries.begin(), kept_end), frame.place);
  } else {
    const auto items = memory_->make_array<Node>(children.size());
    std::copy(children.begin(), children.end(), items.begin());
    made.node = Node::list(items, frame.place);
  }
  pending_.resize(frame.first_child);
  return place_node(made, frame.anchor);
}

bool Builder::scalar(const yaml_event_t& event) {
  const auto& data = event.data.scalar;
  const std::string_view text(reinterpret_cast<const char*>(data.value), data.length);
  const bool is_quoted = data.style != YAML_PLAIN_SCALAR_STYLE;
  refuse_tag(event, view(data.tag));
  const Kind kind = is_quoted ? Kind::text : kind_of_plain(text);
  if (!count(1, place_of(event))) return false;
  return place_node({.node = Node::scalar(kind, is_quoted, memory_->copy(text), place_of(event))}, view(data.anchor));
}

bool Builder::alias(const yaml_event_t& event) {
  const std::string name(view(event.data.alias.anchor));
  const Place place = place_of(event);
  for (const Frame& frame : frames_)
    if (frame.anchor == name)
      return fail(place, "alias_cycle", fmt::format("'*{}' stands inside what it means", name),
                  "an alias can only repeat something that ended before it");
  const auto found = anchors_.find(name);
  if (found == anchors_.end()) return unknown_alias(name, place);
  if (awaits_key() && !found->second.node.is_scalar())
    return fail(place, "key_is_not_text", fmt::format("'*{}' cannot be a key: it is not text", name),
                "write the key out");
  if (frames_.size() + found->second.height - 1 > max_depth)
    return fail(place, "too_deep", fmt::format("'*{}' nests more than {} levels deep", name, max_depth),
                "no setting needs this depth; write the value out");
  if (!count(found->second.weight, place)) return false;
  return place_node(found->second, "");
}

bool Builder::unknown_alias(std::string_view name, Place place) {
  std::vector<std::string_view> known;
  for (const auto& anchor : anchors_) known.push_back(anchor.first);
  std::sort(known.begin(), known.end());
  auto& added = diagnostics_.error(place, "unknown_alias", "", fmt::format("nothing was named '&{}' before", name));
  if (const auto near = did_you_mean(name, known)) added.want = fmt::format("did you mean '*{}'?", *near);
  added.help = "quote a text that begins with '*'";
  has_failed_ = true;  // what it would have meant cannot be checked
  return false;
}

// Puts a finished node where it belongs: under its parent, or at the root.
bool Builder::place_node(Sized made, std::string_view anchor) {
  if (awaits_key() && !check_key(made.node)) return false;
  if (!anchor.empty()) anchors_.insert_or_assign(std::string(anchor), made);
  if (frames_.empty()) {
    root_ = made.node;
    return true;
  }
  Frame& parent = frames_.back();
  parent.weight += made.weight;
  parent.height = std::max(parent.height, made.height + 1);
  pending_.push_back(made.node);
  return true;
}

bool Builder::count(std::size_t nodes, Place place) {
  total_ += nodes;
  if (total_ <= max_nodes) return true;
  return fail(place, "too_many_nodes", fmt::format("more than {} values, with every alias written out", max_nodes),
              "repeat less through aliases (*name), or configure less");
}

bool Builder::check_key(const Node& key) {
  if (key.text().empty() && !key.is_quoted())
    return fail(key.place(), "empty_key", "there is no key before this ':'", "write `key: value`");
  if (is_merge(key)) {
    diagnostics_.error(key.place(), "merge_key", "", "merge keys ('<<') are not supported").help =
        "repeat the keys, or name a set of policies and use its name";
  }
  return true;
}

void Builder::check_duplicates(std::span<const Entry> entries) {
  if (entries.size() <= few_keys) {
    for (std::size_t i = 1; i < entries.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (entries[i].key.text() == entries[j].key.text()) {
          report_duplicate(entries[j].key, entries[i].key);
          break;
        }
    return;
  }
  order_.resize(entries.size());
  std::iota(order_.begin(), order_.end(), 0u);
  std::sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int order = entries[a].key.text().compare(entries[b].key.text());
    return order != 0 ? order < 0 : a < b;
  });
  std::size_t first = 0;
  for (std::size_t i = 1; i < order_.size(); ++i) {
    if (entries[order_[i]].key.text() == entries[order_[first]].key.text()) {
      report_duplicate(entries[order_[first]].key, entries[order_[i]].key);
    } else {
      first = i;
    }
  }
}

void Builder::report_duplicate(const Node& first, const Node& second) {
  auto& added = diagnostics_.error(second.place(), "duplicate_key", "",
                                   fmt::format("'{}' is given twice", second.text().substr(0, 60)));
  added.notes.push_back({"first given here", first.place()});
  added.help = "remove one of the two";
}

// Owns libyaml's parser for one text.
class Parser {
 public:
  explicit Parser(std::string_view text) {
    is_ready_ = yaml_parser_initialize(&parser_) == 1;
    if (!is_ready_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() {
    if (is_ready_) yaml_parser_delete(&parser_);
  }
  // False when the text is not YAML: state() says where.
  bool feed(Builder& builder) {
    for (bool goes_on = is_ready_; goes_on;) {
      yaml_event_t event;
      if (yaml_parser_parse(&parser_, &event) != 1) return false;
      goes_on = builder.take(event);
      yaml_event_delete(&event);
    }
    return is_ready_;
  }
  const yaml_parser_t& state() const { return parser_; }

 private:
  yaml_parser_t parser_{};
  bool is_ready_ = false;
};

}  // namespace

std::optional<Document> parse(std::string text, std::string file_name, Diagnostics& diagnostics) {
  if (text.size() > max_file_bytes) {
    const std::uint16_t file = diagnostics.add_source(std::move(file_name), "");
    auto& added = diagnostics.error(Place{.file = file}, "file_too_large", "",
                                    fmt::format("is longer than the limit of {} MiB", max_file_bytes >> 20));
    added.help = "check that this is the right file; a config of 50,000 routes is about 5 MiB";
    return std::nullopt;
  }
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // a byte order mark says nothing, and would shift columns
  const std::uint16_t file = diagnostics.add_source(std::move(file_name), std::move(text));
  const std::string_view kept = diagnostics.source_text(file);
  if (!check_characters(kept, file, diagnostics)) return std::nullopt;

  Builder builder(file, diagnostics);
  Parser parser(kept);
  if (!parser.feed(builder)) {
    report_syntax_error(parser.state(), file, diagnostics);
    return std::nullopt;
  }
  if (builder.has_failed()) return std::nullopt;
  return std::move(builder).finish();
}

}  // namespace sluice::config
