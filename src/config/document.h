#pragma once
// A parsed config file: a tree whose every node knows where it stands. YAML 1.2 core schema; JSON is YAML.
// Not typed and not checked: reader.h turns nodes into structs.
//
// Immutable once made; any thread may read it. A Node lives as long as its Document.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "config/diagnostic.h"
#include "config/place.h"

namespace sluice::config {

inline constexpr std::size_t max_file_bytes = std::size_t{32} << 20;  // 50,000 routes are about 5 MiB
inline constexpr std::size_t max_depth = 64;
inline constexpr std::size_t max_nodes = 4'000'000;  // with every alias counted as what it stands for

// What a node is. Plain scalars are told apart by the YAML 1.2 core schema: true and false, but not yes and on;
// 777, 0x1f and 0o17, but not 0777, are integers. A quoted scalar is always text.
enum class Kind : std::uint8_t { null, boolean, integer, real, text, list, map };

struct Entry;

class Node {
 public:
  Node() = default;
  static Node scalar(Kind kind, bool is_quoted, std::string_view text, Place place);
  static Node list(std::span<const Node> items, Place place);
  static Node map(std::span<const Entry> entries, Place place);

  Kind kind() const { return kind_; }
  Place place() const { return place_; }
  bool is_quoted() const { return is_quoted_; }
  bool is_map() const { return kind_ == Kind::map; }
  bool is_list() const { return kind_ == Kind::list; }
  bool is_scalar() const { return kind_ < Kind::list; }

  // As written, quotes and escapes resolved. Empty for lists and maps.
  std::string_view text() const;
  std::span<const Node> items() const;           // empty unless a list
  std::span<const Entry> entries() const;        // in file order; empty unless a map
  const Node* find(std::string_view key) const;  // nullptr when absent. Cost: linear in the entries

  // "a list", "text 'abc'", "nothing": for messages.
  std::string describe() const;

 private:
  const void* data_ = nullptr;
  std::uint32_t count_ = 0;
  Place place_;
  Kind kind_ = Kind::null;
  bool is_quoted_ = false;
};

struct Entry {
  Node key;  // always a scalar
  Node value;
};

class Document {
 public:
  Document(std::unique_ptr<Arena> memory, Node root, bool is_empty)
      : memory_(std::move(memory)), root_(root), is_empty_(is_empty) {}

  const Node& root() const { return root_; }
  bool is_empty() const { return is_empty_; }  // the file says nothing; the root is then an empty map

 private:
  std::unique_ptr<Arena> memory_;
  Node root_;
  bool is_empty_;
};

// Parses one file's text. Absent when no tree could be built; a tree may come with errors too (duplicate keys,
// tags), so that the reader can report more: ask diagnostics.has_errors().
//   cost  about 2 us a line
std::optional<Document> parse(std::string text, std::string file_name, Diagnostics& diagnostics);

// Reads and parses a regular file. What cannot be read is a diagnostic with its remedy.
std::optional<Document> load_file(const std::string& path, Diagnostics& diagnostics);

}  // namespace sluice::config
