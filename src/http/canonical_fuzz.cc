// libFuzzer: a canonical path is its own canonical form, holds no dot segment and no raw byte that a path may not hold;
// an authority likewise.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/canonical.h"
#include "http/characters.h"

namespace {

using namespace sluice;        // NOLINT: a program of its own
using namespace sluice::http;  // NOLINT

void require(bool holds) {
  if (!holds) std::abort();
}

void check_path(std::string_view raw) {
  Arena arena;
  const auto once = canonicalise_path(raw, arena);
  if (!once) return;
  const auto twice = canonicalise_path(once->path, arena);
  require(twice.has_value() && twice->path == once->path && twice->segments.size() == once->segments.size());
  require(twice->has_encoded_slash == once->has_encoded_slash);
  require(path_characters.with("%").contains_all(once->path) && !once->path.contains("//"));
  std::size_t size = 0;
  for (const std::string_view segment : once->segments) {
    require(segment != "." && segment != ".." && !segment.contains('/'));
    size += 1 + segment.size();
  }
  require(size == once->path.size());
}

void check_authority(std::string_view raw) {
  Arena arena;
  const auto once = canonicalise_authority(raw, arena);
  if (!once) return;
  const auto twice = canonicalise_authority(once->authority, arena);
  require(twice.has_value() && twice->authority == once->authority && twice->host == once->host &&
          twice->port == once->port);
  require(once->authority.starts_with(once->host) && !once->host.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view raw(reinterpret_cast<const char*>(data), size);
  check_path(raw);
  check_authority(raw);
  return 0;
}
