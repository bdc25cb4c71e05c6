#include "net/block_pool.h"

#include <new>

namespace sluice::net {
namespace {

constexpr std::uint32_t heap_token = 4;  // larger than every size

char* allocate(std::size_t bytes) { return static_cast<char*>(::operator new(bytes)); }

}  // namespace

BlockPool::BlockPool() {
  for (std::size_t i = 0; i < free_.size(); ++i) free_[i].reserve(most_kept[i]);
}

BlockPool::~BlockPool() {
  for (auto& blocks : free_) {
    for (char* const block : blocks) ::operator delete(block);
  }
}

Buffer BlockPool::take(std::size_t bytes) {
  std::uint32_t size = 0;
  while (size < heap_token && block_bytes[size] < bytes) ++size;
  lent_bytes_ += size == heap_token ? bytes : block_bytes[size];
  if (size == heap_token) return Buffer(*this, allocate(bytes), static_cast<std::uint32_t>(bytes), heap_token);
  auto& free = free_[size];
  char* block = nullptr;
  if (free.empty()) {
    block = allocate(block_bytes[size]);
  } else {
    block = free.back();
    free.pop_back();
  }
  return Buffer(*this, block, static_cast<std::uint32_t>(block_bytes[size]), size);
}

void BlockPool::give_back(char* block, std::uint32_t capacity, std::uint32_t token) {
  lent_bytes_ -= capacity;
  if (token == heap_token || free_[token].size() >= most_kept[token]) {
    ::operator delete(block);
  } else {
    free_[token].push_back(block);
  }
}

}  // namespace sluice::net
