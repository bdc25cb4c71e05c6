#include "http/h2/session_memory.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

namespace sluice::http::h2 {

SessionMemory::~SessionMemory() {
  for (Header* block : free_) {
    while (block != nullptr) {
      Header* const next = block->next;
      std::free(block);
      block = next;
    }
  }
}

void* SessionMemory::allocate(std::size_t bytes, std::size_t& held) {
  if (bytes == 0) return nullptr;
  const std::size_t rounded = std::bit_ceil(std::max(bytes, smallest));
  const auto size_class = std::min<std::size_t>(
      static_cast<std::size_t>(std::countr_zero(rounded) - std::countr_zero(smallest)), class_count);
  const std::size_t size = size_class < class_count ? rounded : bytes;
  Header* block = size_class < class_count ? free_[size_class] : nullptr;
  if (block != nullptr) {
    free_[size_class] = block->next;
    kept_bytes_ -= size;
  } else {
    block = static_cast<Header*>(std::malloc(sizeof(Header) + size));
    if (block == nullptr) std::abort();
  }
  *block = {.size_class = size_class, .bytes = size, .next = nullptr};
  held += size;
  held_bytes_ += size;
  return block + 1;
}

void* SessionMemory::reallocate(void* block, std::size_t bytes, std::size_t& held) {
  if (block == nullptr) return allocate(bytes, held);
  const std::size_t had = (static_cast<Header*>(block) - 1)->bytes;
  if (bytes <= had && bytes > 0) return block;
  void* const larger = allocate(bytes, held);
  if (larger != nullptr) std::memcpy(larger, block, std::min(had, bytes));
  give_back(block, held);
  return larger;
}

void SessionMemory::give_back(void* block, std::size_t& held) {
  if (block == nullptr) return;
  Header* const header = static_cast<Header*>(block) - 1;
  held -= header->bytes;
  held_bytes_ -= header->bytes;
  if (header->size_class == class_count || kept_bytes_ + header->bytes > most_kept_bytes) return std::free(header);
  kept_bytes_ += header->bytes;
  header->next = free_[header->size_class];
  free_[header->size_class] = header;
}

}  // namespace sluice::http::h2
