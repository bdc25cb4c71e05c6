// libFuzzer: whatever the bytes, a tree has places inside its file, keys that are text and its limits kept; and written
// in the form of JSON it is read as the same tree.

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/fuzz_input.h"
#include "base/json.h"
#include "config/document.h"

namespace {

using namespace sluice;          // NOLINT: a program of its own
using namespace sluice::config;  // NOLINT
using fuzz::require;

constexpr std::size_t longest_simple_key = 1000;  // 1024 by YAML 1.2 section 7.4.2; a longer one must be marked

struct Walk {
  std::size_t lines;
  std::size_t nodes = 0;

  void check(const Node& node, std::size_t depth) {
    require(++nodes <= max_nodes, "a tree has at most its limit of nodes");
    require(depth <= max_depth, "a tree is at most its limit deep");
    const Place place = node.place();
    require(place.line >= 1 && place.line <= lines && place.column >= 1, "a node stands inside its file");
    for (const Node& item : node.items()) check(item, depth + 1);
    for (const Entry& entry : node.entries()) {
      require(entry.key.is_scalar(), "a key is text");
      check(entry.value, depth + 1);
    }
  }
};

// Escapes as YAML has them, for more than JSON needs: not every character may stand in a file.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const Utf8Char c = decode_utf8(text);
    require(c.valid, "a text is UTF-8");
    char escape[12];
    std::snprintf(escape, sizeof escape, "\\U%08x", static_cast<unsigned>(c.code));
    out += c.code >= ' ' && c.code < 0x7f && c.code != '"' && c.code != '\\' ? text.substr(0, 1) : escape;
    text.remove_prefix(c.size);
  }
  out += '"';
}

void append_json(std::string& out, const Node& node) {
  if (node.is_list()) {
    out += '[';
    for (const Node& item : node.items()) append_json(out, item), out += ',';
    if (out.back() == ',') out.pop_back();
    out += ']';
  } else if (node.is_map()) {
    out += '{';
    for (const Entry& entry : node.entries()) {
      const std::size_t begin = out.size();
      append_quoted(out, entry.key.text());
      if (out.size() - begin > longest_simple_key) out.insert(begin, "? ");
      out += ": ";
      append_json(out, entry.value);
      out += ',';
    }
    if (out.back() == ',') out.pop_back();
    out += '}';
  } else if (node.kind() == Kind::text) {
    append_quoted(out, node.text());
  } else {
    out += node.text().empty() ? std::string_view("null") : node.text();
  }
}

void require_same(const Node& left, const Node& right) {
  require(left.kind() == right.kind(), "a node keeps its kind");
  if (left.kind() != Kind::null) require(left.text() == right.text(), "a scalar keeps its text");
  require(left.items().size() == right.items().size() && left.entries().size() == right.entries().size(),
          "lists and maps keep their size");
  for (std::size_t i = 0; i < left.items().size(); ++i) require_same(left.items()[i], right.items()[i]);
  for (std::size_t i = 0; i < left.entries().size(); ++i) {
    require(left.entries()[i].key.text() == right.entries()[i].key.text(), "a key keeps its text");
    require_same(left.entries()[i].value, right.entries()[i].value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Diagnostics diagnostics;
  const auto document = parse(text, "g.yaml", diagnostics);
  require(document.has_value() || diagnostics.has_errors(), "no tree without a word");
  if (!document) return 0;
  Walk walk{.lines = 2 + static_cast<std::size_t>(
                             std::ranges::count_if(text, [](char c) { return c == '\n' || c == '\r'; }))};
  walk.check(document->root(), 1);
  if (diagnostics.has_errors() || walk.nodes > 10'000) return 0;

  std::string json;
  append_json(json, document->root());
  Diagnostics again;
  const auto copy = parse(json, "g.json", again);
  require(copy.has_value() && !again.has_errors(), "a tree written as JSON is read again");
  require_same(document->root(), copy->root());
  return 0;
}
