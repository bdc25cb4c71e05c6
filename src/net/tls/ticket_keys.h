#pragma once
// The keys that session tickets are sealed with: one for all workers, so that a client may come back to any of them.
// A ticket is all there is of a session; the gateway keeps none. Keys are random; a new one takes over each period, and
// old ones open tickets for two more.
//   source  RFC 5077 section 4, RFC 8446 section 4.6.1

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace sluice::net::tls {

struct TicketKey {
  std::array<unsigned char, 16> name{};
  std::array<unsigned char, 32> encryption{};
  std::array<unsigned char, 32> authentication{};
};

class TicketKeys {
 public:
  static constexpr auto period = std::chrono::hours(1);
  static constexpr auto ticket_lifetime = std::chrono::hours(2);  // two periods: so long every key is kept at least

  TicketKeys();  // with a first key
  TicketKeys(const TicketKeys&) = delete;
  ~TicketKeys();  // wipes them

  // A new key from now on. Control thread, once each period.
  void rotate();

  // Any thread, also while rotate() runs: it writes only where nobody has looked for hours.
  const TicketKey& current() const { return keys_[newest_.load(std::memory_order_acquire) % keys_.size()]; }
  // Null when the key is not known, or no more.
  const TicketKey* find(const unsigned char* name) const;

 private:
  static constexpr std::uint32_t kept = 3;  // the current one included

  std::array<TicketKey, 8> keys_;
  std::atomic<std::uint32_t> newest_{kept};
};

}  // namespace sluice::net::tls
