#include "net/tls/ticket_keys.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <span>
#include <string>

namespace sluice::net::tls {

namespace {

constexpr std::size_t key_bytes = sizeof(TicketKey);
static_assert(key_bytes == 80);

void fill(std::span<unsigned char> bytes) {
  if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) std::abort();  // without randomness no TLS
}

TicketKey make_key() {
  TicketKey key;
  fill(key.name);
  fill(key.authentication);
  fill(key.encryption);
  return key;
}

}  // namespace

TicketKeyList::~TicketKeyList() { OPENSSL_cleanse(keys_.data(), keys_.size() * key_bytes); }

const TicketKey* TicketKeyList::find(const unsigned char* name) const {
  const auto found = std::ranges::find_if(
      keys_, [&](const TicketKey& key) { return std::memcmp(key.name.data(), name, key.name.size()) == 0; });
  return found == keys_.end() ? nullptr : &*found;
}

namespace {

// As in a file that was made large and never filled.
bool is_one_byte(std::span<const unsigned char> key) {
  return std::ranges::adjacent_find(key, std::not_equal_to{}) == key.end();
}

}  // namespace

bool TicketKeyList::operator==(const TicketKeyList& other) const {
  return keys_.size() == other.keys_.size() &&
         std::memcmp(keys_.data(), other.keys_.data(), keys_.size() * key_bytes) == 0;
}

TicketKeys::TicketKeys() : keys_(std::make_shared<const TicketKeyList>(std::vector{make_key()})) {}

std::expected<std::shared_ptr<const TicketKeyList>, std::string> TicketKeys::parse(std::string_view bytes) {
  if (bytes.empty() || bytes.size() % key_bytes != 0)
    return std::unexpected("holds " + std::to_string(bytes.size()) + " bytes, which is no multiple of 80");
  const std::size_t count = bytes.size() / key_bytes;
  if (count > most_in_file)
    return std::unexpected("holds " + std::to_string(count) + " keys, more than " + std::to_string(most_in_file));
  std::vector<TicketKey> keys(count);
  std::memcpy(keys.data(), bytes.data(), bytes.size());
  auto made = std::make_shared<const TicketKeyList>(std::move(keys));
  for (const TicketKey& key : made->keys()) {
    if (made->find(key.name.data()) != &key)
      return std::unexpected("has two keys of the same name (the first 16 bytes)");
    if (is_one_byte(key.encryption) || is_one_byte(key.authentication))
      return std::unexpected("holds a key that is not random: all its bytes are the same");
  }
  return made;
}

void TicketKeys::rotate() {
  std::vector<TicketKey> keys;
  keys.reserve(kept);  // so that none is left behind by a move to more room
  keys.push_back(make_key());
  const auto old = list();
  for (const TicketKey& key : old->keys())
    if (keys.size() < kept) keys.push_back(key);
  replace(std::make_shared<const TicketKeyList>(std::move(keys)));
}

void TicketKeys::replace(std::shared_ptr<const TicketKeyList> keys) {
  const std::lock_guard guard(mutex_);
  keys_.swap(keys);
}

std::shared_ptr<const TicketKeyList> TicketKeys::list() const {
  const std::lock_guard guard(mutex_);
  return keys_;
}

}  // namespace sluice::net::tls
