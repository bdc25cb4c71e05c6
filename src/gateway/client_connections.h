#pragma once
// How many connections clients have, over all workers: in all, and for each client address. Shared by the workers and
// kept over reloads. Not who is turned away and how: door.h.
//
// The total is exact. A client is an IPv4 address or an IPv6 /64 network (what one subscriber is given). Its count
// stands in two tables of counters, at places that a keyed hash chooses; the smaller of the two counts. Other clients
// may stand at one of them, hardly ever at both, so a count is never too small, and too large only where a client meets
// crowds in both tables: about (crowds / 16384)^2 of all clients.
//   cost    three locked instructions to enter, three to leave; 128 KiB
//   source  count-min sketch, Cormode and Muthukrishnan 2005

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "gateway/limits.h"
#include "net/address.h"

namespace sluice::gateway {

class ClientConnections {
 public:
  // What a connection gives back when it ends. 0: only counted in all.
  using Ticket = std::uint32_t;
  enum class Verdict : std::uint8_t { admitted, too_many, too_many_of_client };

  // `seed`: for the hash; not to be guessed.
  explicit ClientConnections(std::uint64_t seed);
  ClientConnections(const ClientConnections&) = delete;

  // Any thread. Counts the connection when it is admitted; then leave() is due once.
  Verdict enter(const net::Address& peer, const ConnectionCaps& caps, Ticket& ticket);
  void leave(Ticket ticket);

  std::uint64_t open() const { return open_.load(std::memory_order_relaxed); }

 private:
  static constexpr unsigned place_bits = 14;
  static constexpr std::size_t places = std::size_t{1} << place_bits;
  using Row = std::array<std::atomic<std::uint32_t>, places>;

  Ticket ticket_of(const net::Address& peer) const;
  std::atomic<std::uint32_t>& first(Ticket ticket) { return (*rows_)[0][ticket & (places - 1)]; }
  std::atomic<std::uint32_t>& second(Ticket ticket) { return (*rows_)[1][ticket >> place_bits & (places - 1)]; }

  const std::uint64_t seed_;
  std::atomic<std::uint64_t> open_{0};
  std::unique_ptr<std::array<Row, 2>> rows_;
};

}  // namespace sluice::gateway
