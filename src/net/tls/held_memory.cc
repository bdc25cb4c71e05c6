#include "net/tls/held_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <cstdlib>

namespace sluice::net::tls {

namespace {

constinit thread_local std::int64_t held = 0;

void* allocate(std::size_t bytes, const char*, int) {
  void* const block = std::malloc(bytes);
  held += static_cast<std::int64_t>(malloc_usable_size(block));
  return block;
}

void* reallocate(void* block, std::size_t bytes, const char*, int) {
  const auto before = static_cast<std::int64_t>(malloc_usable_size(block));
  void* const moved = std::realloc(block, bytes);
  if (moved != nullptr) held += static_cast<std::int64_t>(malloc_usable_size(moved)) - before;
  return moved;
}

void release(void* block, const char*, int) {
  held -= static_cast<std::int64_t>(malloc_usable_size(block));
  std::free(block);
}

}  // namespace

bool count_memory() {
  static const bool is_counted = CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;
  return is_counted;
}

std::int64_t held_bytes() { return held; }

Uncounted::~Uncounted() { held = before_; }

}  // namespace sluice::net::tls
