#pragma once
// "did you mean": the nearest known word to an unknown one. Cold path only.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sluice::config {

// The nearest candidate, when one is near: at most one edit in three characters, never more than three edits.
// An edit is an insertion, a deletion, a change or a swap of neighbours. Case counts nothing, and `-` is `_`.
//   cost  O(length^2) per candidate of similar length; words above 64 bytes have no neighbour
std::optional<std::string_view> did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

// "did you mean 'upstreams'?", or "known keys: a, b, c" (at most 16 of them) when none is near.
//   noun  plural: "keys"
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates, std::string_view noun);

}  // namespace sluice::config
