#pragma once
// How much memory OpenSSL holds for this thread's connections, counted at its allocator, so that a worker's limit on
// memory means what is there and not a guess. What the control thread makes (certificates, contexts) is counted there.

#include <cstdint>

namespace sluice::net::tls {

// Has OpenSSL's allocations counted. First thing in the process that has to do with OpenSSL; false when that was too
// late: then held_bytes() stays 0.
bool count_memory();
// Of this thread: allocated minus freed.
std::int64_t held_bytes();

// What is made while this lives is not counted here: for what another thread will free.
class Uncounted {
 public:
  Uncounted() : before_(held_bytes()) {}
  Uncounted(const Uncounted&) = delete;
  ~Uncounted();

 private:
  const std::int64_t before_;
};

}  // namespace sluice::net::tls
