#include "net/tls/ticket_keys.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <cstring>
#include <span>

namespace sluice::net::tls {

namespace {

void fill(std::span<unsigned char> bytes) {
  if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) std::abort();  // without randomness no TLS
}

TicketKey make_key() {
  TicketKey key;
  fill(key.name);
  fill(key.encryption);
  fill(key.authentication);
  return key;
}

}  // namespace

TicketKeys::TicketKeys() {
  // Names that nobody can guess stand also where no key was yet.
  for (TicketKey& key : keys_) key = make_key();
}

TicketKeys::~TicketKeys() { OPENSSL_cleanse(keys_.data(), sizeof keys_); }

void TicketKeys::rotate() {
  const std::uint32_t next = newest_.load(std::memory_order_relaxed) + 1;
  keys_[next % keys_.size()] = make_key();
  newest_.store(next, std::memory_order_release);
}

const TicketKey* TicketKeys::find(const unsigned char* name) const {
  const std::uint32_t newest = newest_.load(std::memory_order_acquire);
  for (std::uint32_t age = 0; age < kept; ++age) {
    const TicketKey& key = keys_[(newest - age) % keys_.size()];
    if (std::memcmp(key.name.data(), name, key.name.size()) == 0) return &key;
  }
  return nullptr;
}

}  // namespace sluice::net::tls
