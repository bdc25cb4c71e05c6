#include "config/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace sluice::config {
namespace {

constexpr std::size_t max_word = 64;
constexpr std::size_t max_listed = 16;

char fold(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  return c == '-' ? '_' : c;
}

// Damerau-Levenshtein with neighbours swapped at most once (optimal string alignment), over three rolling rows.
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::array<std::array<std::size_t, max_word + 1>, 3> rows{};
  for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i + 2) % 3];
    const auto& two_above = rows[(i + 1) % 3];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const char x = fold(a[i - 1]);
      const char y = fold(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (x == y ? 0 : 1)});
      if (i > 1 && j > 1 && x == fold(b[j - 2]) && fold(a[i - 2]) == y) row[j] = std::min(row[j], two_above[j - 2] + 1);
    }
  }
  return rows[a.size() % 3][b.size()];
}

}  // namespace

std::optional<std::string_view> did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.size() > max_word) return std::nullopt;
  std::optional<std::string_view> nearest;
  std::size_t fewest = std::clamp<std::size_t>(word.size() / 3, 1, 3) + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > max_word || candidate.size() + fewest <= word.size()) continue;
    if (word.size() + fewest <= candidate.size()) continue;
    const std::size_t edits = edits_between(word, candidate);
    // A word of one or two letters is near to everything: only another spelling of it counts.
    if (edits >= fewest || edits >= std::max<std::size_t>(word.size(), 1)) continue;
    fewest = edits;
    nearest = candidate;
  }
  return nearest;
}

std::string suggestion(std::string_view word, std::span<const std::string_view> candidates, std::string_view noun) {
  if (const auto near = did_you_mean(word, candidates)) return fmt::format("did you mean '{}'?", *near);
  if (candidates.empty()) return {};
  const std::size_t listed = std::min(candidates.size(), max_listed);
  std::string out = fmt::format("known {}: {}", noun, fmt::join(candidates.first(listed), ", "));
  if (listed < candidates.size()) fmt::format_to(std::back_inserter(out), " and {} more", candidates.size() - listed);
  return out;
}

}  // namespace sluice::config
