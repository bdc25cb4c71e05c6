#include "gateway/client_connections.h"

#include <xxhash.h>

#include <algorithm>

namespace sluice::gateway {

namespace {

constexpr ClientConnections::Ticket is_counted = 1u << 31;
constexpr std::size_t network_bytes = 8;  // an IPv6 /64

}  // namespace

ClientConnections::ClientConnections(std::uint64_t seed) : seed_(seed), rows_(new std::array<Row, 2>{}) {}

ClientConnections::Ticket ClientConnections::ticket_of(const net::Address& peer) const {
  const std::size_t bytes = peer.is_v4 ? peer.ip.size() : network_bytes;
  const std::uint64_t hash = XXH3_64bits_withSeed(peer.ip.data(), bytes, seed_);
  return is_counted | static_cast<Ticket>(hash & (places * places - 1));
}

ClientConnections::Verdict ClientConnections::enter(const net::Address& peer, const ConnectionCaps& caps,
                                                    Ticket& ticket) {
  ticket = 0;
  if (open_.fetch_add(1, std::memory_order_relaxed) >= caps.all) {
    open_.fetch_sub(1, std::memory_order_relaxed);
    return Verdict::too_many;
  }
  const auto holds_peer = [&](const net::AddressBlock& block) { return block.contains(peer); };
  if (caps.per_client == 0 || std::ranges::any_of(caps.exempt, holds_peer)) return Verdict::admitted;
  ticket = ticket_of(peer);
  const std::uint32_t others = std::min(first(ticket).fetch_add(1, std::memory_order_relaxed),
                                        second(ticket).fetch_add(1, std::memory_order_relaxed));
  if (others < caps.per_client) return Verdict::admitted;
  leave(ticket);
  return Verdict::too_many_of_client;
}

void ClientConnections::leave(Ticket ticket) {
  open_.fetch_sub(1, std::memory_order_relaxed);
  if (ticket == 0) return;
  first(ticket).fetch_sub(1, std::memory_order_relaxed);
  second(ticket).fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace sluice::gateway
