#include "policies/rate_limit/table.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace sluice::policies::rate_limit {

void Table::Free::operator()(Word* words) const { std::free(words); }

// A fifth more than asked for: corners fill unevenly.
Table::Table(std::uint64_t max_keys, std::span<const Pace> paces, std::uint64_t secret)
    : pace_count_(paces.size()), corners_(max_keys * 6 / 5 / slots_in_corner + 1), secret_(secret) {
  std::ranges::copy(paces, paces_);
  const std::size_t words = corners_ * (slots_in_corner + 1) * (1 + pace_count_);
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(Word) == sizeof(std::uint64_t));
  words_.reset(static_cast<Word*>(std::calloc(words, sizeof(Word))));  // zeros are what a new Word holds
  if (words_ == nullptr) std::abort();
}

Decision Table::admit(std::string_view key, Instant when) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(key.data(), key.size(), secret_);
  const auto now = static_cast<std::uint64_t>(when.time_since_epoch().count());
  const std::span<Word> numbers = find(hash.low64 == 0 ? 1 : hash.low64, hash.high64 % corners_, now);
  Decision decision{.left = std::numeric_limits<std::int64_t>::max()};
  for (std::size_t rate = 0; rate < pace_count_; ++rate) {
    if (take(numbers[rate], paces_[rate], now, decision, rate)) continue;
    // What the rates before have counted is given back: the request does not take place.
    for (std::size_t done = 0; done < rate; ++done)
      numbers[done].fetch_sub(static_cast<std::uint64_t>(paces_[done].interval), std::memory_order_relaxed);
    break;
  }
  return decision;
}

bool Table::take(Word& number, const Pace& pace, std::uint64_t now, Decision& decision, std::size_t rate) {
  std::uint64_t used_to = number.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t fresh = std::max(used_to, now) + static_cast<std::uint64_t>(pace.interval);
    const auto ahead = static_cast<std::int64_t>(fresh - now);
    if (ahead > pace.tolerance) {
      decision = {.is_admitted = false,
                  .rate = rate,
                  .left = 0,
                  .ahead_ns = ahead - pace.interval,
                  .wait_ns = ahead - pace.tolerance};
      return false;
    }
    if (!number.compare_exchange_weak(used_to, fresh, std::memory_order_relaxed)) continue;
    const std::int64_t left = (pace.tolerance - ahead) / pace.interval;
    if (left < decision.left) {
      decision.rate = rate;
      decision.left = left;
      decision.ahead_ns = ahead;
    }
    return true;
  }
}

bool Table::is_spent(const Word* slot, std::uint64_t now) const {
  for (std::size_t rate = 0; rate < pace_count_; ++rate)
    if (slot[1 + rate].load(std::memory_order_relaxed) > now) return false;
  return true;
}

// A slot that is taken over needs no reset: its numbers lie in the past, which is a full allowance.
std::span<Table::Word> Table::find(std::uint64_t mark, std::uint64_t corner, std::uint64_t now) {
  for (std::size_t at = 0; at < slots_in_corner; ++at) {
    Word* const slot = slot_at(corner, at);
    if (slot->load(std::memory_order_relaxed) == mark) return {slot + 1, pace_count_};
  }
  for (std::size_t at = 0; at < slots_in_corner; ++at) {
    Word* const slot = slot_at(corner, at);
    std::uint64_t holder = slot->load(std::memory_order_relaxed);
    if (holder != 0 && !is_spent(slot, now)) continue;
    // Whoever is quicker here may be another worker with the same key.
    if (slot->compare_exchange_strong(holder, mark, std::memory_order_relaxed) || holder == mark)
      return {slot + 1, pace_count_};
  }
  shared_.fetch_add(1, std::memory_order_relaxed);
  return {slot_at(corner, slots_in_corner) + 1, pace_count_};
}

}  // namespace sluice::policies::rate_limit
