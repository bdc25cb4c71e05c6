#pragma once
// The keys that session tickets are sealed with: one for all workers, so that a client may come back to any of them.
// A ticket is all there is of a session; the gateway keeps none. By default keys are random; a new one takes over each
// period, and old ones open tickets for two more. Or a file says them, the same for all replicas.
//   source  RFC 5077 section 4, RFC 8446 section 4.6.1

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace sluice::net::tls {

struct TicketKey {
  std::array<unsigned char, 16> name{};
  std::array<unsigned char, 32> authentication{};
  std::array<unsigned char, 32> encryption{};
};

// Immutable; wiped when it goes.
class TicketKeyList {
 public:
  explicit TicketKeyList(std::vector<TicketKey> keys) : keys_(std::move(keys)) {}
  TicketKeyList(const TicketKeyList&) = delete;
  ~TicketKeyList();

  const TicketKey& current() const { return keys_.front(); }  // seals
  const TicketKey* find(const unsigned char* name) const;     // null when the key is not known, or no more
  const std::vector<TicketKey>& keys() const { return keys_; }
  bool operator==(const TicketKeyList& other) const;

 private:
  std::vector<TicketKey> keys_;  // one at least
};

class TicketKeys {
 public:
  static constexpr auto period = std::chrono::hours(1);
  static constexpr auto ticket_lifetime = std::chrono::hours(2);  // two periods: so long every key is kept at least
  static constexpr std::size_t most_in_file = 16;

  TicketKeys();  // with a first random key
  explicit TicketKeys(std::shared_ptr<const TicketKeyList> keys) : keys_(std::move(keys)) {}
  TicketKeys(const TicketKeys&) = delete;

  // The bytes of a file: one key after another, 80 bytes each as nginx has them in `ssl_session_ticket_key`: 16 of
  // name, 32 for HMAC-SHA-256, 32 for AES-256.
  //   errors  what is wrong with them: "holds 79 bytes, ..."
  static std::expected<std::shared_ptr<const TicketKeyList>, std::string> parse(std::string_view bytes);

  // A new random key from now on. Control thread, once each period.
  void rotate();
  // Control thread.
  void replace(std::shared_ptr<const TicketKeyList> keys);
  // Any thread. Behind a lock: once or twice for each handshake.
  std::shared_ptr<const TicketKeyList> list() const;

 private:
  static constexpr std::size_t kept = 3;  // the current one included

  mutable std::mutex mutex_;
  std::shared_ptr<const TicketKeyList> keys_;
};

}  // namespace sluice::net::tls
