#include "route/text_index.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sluice::route {

std::uint64_t TextIndex::hash_of(std::uint32_t scope, std::string_view text) {
  return XXH3_64bits_withSeed(text.data(), text.size(), scope);
}

std::uint32_t TextIndex::add(std::uint32_t scope, std::string_view text, std::uint32_t value) {
  if (const std::uint32_t known = find(scope, text); known != none) return known;
  if ((count_ + 1) * 2 > slots_.size()) grow();
  const std::uint64_t hash = hash_of(scope, text);
  std::uint64_t at = hash & mask_;
  while (slots_[at].value != none) at = (at + 1) & mask_;
  Slot& slot = slots_[at];
  slot = {.tag = tag_of(hash), .scope = scope, .value = value, .length = static_cast<std::uint32_t>(text.size())};
  if (text.size() <= inline_bytes) {
    std::ranges::copy(text, slot.text);
  } else {
    slot.offset = static_cast<std::uint32_t>(texts_.size());
    texts_ += text;
  }
  ++count_;
  return value;
}

void TextIndex::grow() {
  std::vector<Slot> old = std::move(slots_);
  slots_.assign(old.empty() ? 16 : old.size() * 2, Slot{});
  mask_ = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.value == none) continue;
    std::uint64_t at = hash_of(slot.scope, text_of(slot)) & mask_;
    while (slots_[at].value != none) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
}

}  // namespace sluice::route
