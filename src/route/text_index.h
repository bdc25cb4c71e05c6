#pragma once
// A hash table from (scope, text) to a number, filled once and then only asked: one table holds the children of all
// nodes of a trie, the scope being the parent. Not for keys that a client can choose to insert: only config texts go
// in.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::route {

class TextIndex {
 public:
  static constexpr std::uint32_t none = 0xffff'ffff;

  // The number of that key; `none` when it is not there. Cost: one hash of the text, and about one cache line.
  std::uint32_t find(std::uint32_t scope, std::string_view text) const {
    if (slots_.empty()) return none;
    const std::uint64_t hash = hash_of(scope, text);
    for (std::uint64_t at = hash & mask_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.value == none) return none;
      if (slot.tag == tag_of(hash) && slot.scope == scope && text_of(slot) == text) return slot.value;
    }
  }

  // The number of that key, which becomes `value` when the key is new. `value` is not `none`.
  std::uint32_t add(std::uint32_t scope, std::string_view text, std::uint32_t value);

  std::size_t size() const { return count_; }

 private:
  static constexpr std::size_t inline_bytes = 16;
  // Half a cache line, so that most look-ups touch one line only.
  struct alignas(32) Slot {
    std::uint32_t tag = 0;  // upper half of the hash: spares most comparisons
    std::uint32_t scope = 0;
    std::uint32_t value = none;
    std::uint32_t length = 0;
    union {
      char text[inline_bytes] = {};  // the key, when it fits
      std::uint32_t offset;          // else where it stands in texts_
    };
  };

  static std::uint64_t hash_of(std::uint32_t scope, std::string_view text);
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }
  std::string_view text_of(const Slot& slot) const {
    return {slot.length <= inline_bytes ? slot.text : texts_.data() + slot.offset, slot.length};
  }
  void grow();

  std::vector<Slot> slots_;  // a power of two, at most half full
  std::uint64_t mask_ = 0;
  std::size_t count_ = 0;
  std::string texts_;
};

}  // namespace sluice::route
