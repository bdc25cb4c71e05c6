#include "config/document.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice::config {
namespace {

constexpr std::size_t longest_quote = 60;  // bytes of a value that a message repeats

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

void refuse(Diagnostics& diagnostics, std::uint16_t file, std::string_view code, std::string what, std::string help) {
  diagnostics.error(Place{.file = file}, code, "", std::move(what)).help = std::move(help);
}

void refuse_errno(Diagnostics& diagnostics, std::uint16_t file, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    refuse(diagnostics, file, "no_such_file", "there is no such file", "check the path, or write the file first");
  } else if (error == EACCES || error == EPERM) {
    refuse(diagnostics, file, "unreadable_file", "may not be read by this user",
           fmt::format("make it readable for user id {}", ::geteuid()));
  } else {
    refuse(diagnostics, file, "unreadable_file", fmt::format("cannot be read: {}", std::strerror(error)),
           "check the path and the file system");
  }
}

// Says why what was opened cannot be a config.
void refuse_kind(const struct stat& facts, std::uint16_t file, Diagnostics& diagnostics) {
  if (S_ISDIR(facts.st_mode)) {
    refuse(diagnostics, file, "not_a_file", "is a directory", "name one file in it, for example gateway.yaml");
  } else {
    refuse(diagnostics, file, "not_a_file", "is a pipe, socket or device, not a regular file",
           "write the config to a file and name that: it is read again on every reload");
  }
}

// Reads until the end, or one byte past the limit. Returns errno.
int read_all(int descriptor, std::size_t expected, std::string& text) {
  text.resize(expected + 1);  // one more than expected: the read that finds the end needs room
  std::size_t size = 0;
  for (;;) {
    if (size == text.size()) text.resize(std::min(text.size() * 2, max_file_bytes + 1));
    const ssize_t got = ::read(descriptor, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    size += static_cast<std::size_t>(got);
    if (got == 0 || size > max_file_bytes) break;
  }
  text.resize(size);
  return 0;
}

}  // namespace

Node Node::scalar(Kind kind, bool is_quoted, std::string_view text, Place place) {
  Node node;
  node.data_ = text.data();
  node.count_ = static_cast<std::uint32_t>(text.size());
  node.place_ = place;
  node.kind_ = kind;
  node.is_quoted_ = is_quoted;
  return node;
}

Node Node::list(std::span<const Node> items, Place place) {
  Node node;
  node.data_ = items.data();
  node.count_ = static_cast<std::uint32_t>(items.size());
  node.place_ = place;
  node.kind_ = Kind::list;
  return node;
}

Node Node::map(std::span<const Entry> entries, Place place) {
  Node node;
  node.data_ = entries.data();
  node.count_ = static_cast<std::uint32_t>(entries.size());
  node.place_ = place;
  node.kind_ = Kind::map;
  return node;
}

std::string_view Node::text() const {
  return is_scalar() ? std::string_view(static_cast<const char*>(data_), count_) : std::string_view();
}

std::span<const Node> Node::items() const {
  if (!is_list()) return {};
  return {static_cast<const Node*>(data_), count_};
}

std::span<const Entry> Node::entries() const {
  if (!is_map()) return {};
  return {static_cast<const Entry*>(data_), count_};
}

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : entries())
    if (entry.key.text() == key) return &entry.value;
  return nullptr;
}

std::string Node::describe() const {
  const std::string_view shown = text().substr(0, longest_quote);
  const std::string_view rest = shown.size() < text().size() ? "..." : "";
  switch (kind_) {
    case Kind::null:
      return "nothing";
    case Kind::list:
      return "a list";
    case Kind::map:
      return "a map";
    case Kind::boolean:
      return fmt::format("{}", text());
    case Kind::integer:
    case Kind::real:
      return fmt::format("the number {}{}", shown, rest);
    case Kind::text:
      break;
  }
  return fmt::format("the text '{}{}'", shown, rest);
}

std::optional<Document> load_file(const std::string& path, Diagnostics& diagnostics) {
  const auto refused = [&] { return diagnostics.add_source(path, ""); };
  // O_NONBLOCK: opening a pipe without a writer would wait for ever.
  const Descriptor descriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (descriptor.number < 0) return refuse_errno(diagnostics, refused(), errno), std::nullopt;
  struct stat facts{};
  if (::fstat(descriptor.number, &facts) != 0) return refuse_errno(diagnostics, refused(), errno), std::nullopt;
  if (!S_ISREG(facts.st_mode)) return refuse_kind(facts, refused(), diagnostics), std::nullopt;
  std::string text;
  const std::size_t expected = std::min(static_cast<std::size_t>(facts.st_size), max_file_bytes);
  if (const int error = read_all(descriptor.number, expected, text); error != 0)
    return refuse_errno(diagnostics, refused(), error), std::nullopt;
  return parse(std::move(text), path, diagnostics);  // refuses what is longer than the limit
}

}  // namespace sluice::config
