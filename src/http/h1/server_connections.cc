#include "http/h1/server_connections.h"

#include <utility>

#include "http/h1/server_connection.h"
#include "http/h1/server_tunnel.h"

namespace sluice::http::h1 {

ServerConnections::ServerConnections(Waist& waist, const ServerSettings& settings, PrefaceTaker* taker)
    : waist_(waist), taker_(taker), settings_(settings) {
  spare_.reserve(most_spare);
}

ServerConnections::~ServerConnections() {
  while (connections_.next != &connections_) delete static_cast<ServerConnection*>(connections_.next);
  while (tunnels_.next != &tunnels_) delete static_cast<ServerTunnel*>(tunnels_.next);
}

void ServerConnections::accept(net::StreamPtr stream, std::uint32_t ticket) {
  auto* const connection = new ServerConnection(*this, std::move(stream), ticket);  // owns itself; destroy() ends it
  connection->insert_before(connections_);
  ++size_;
}

void ServerConnections::drain() {
  for (ConnectionLink* at = connections_.next; at != &connections_;) {
    auto* const connection = static_cast<ServerConnection*>(at);
    at = at->next;  // closing an idle connection touches no other
    connection->close_if_idle();
  }
}

void ServerConnections::close_all() {
  // The gateway may do anything in its events, so no place in the ring is remembered: each is moved out, then cut.
  ConnectionLink condemned;
  while (connections_.next != &connections_) {
    auto* const connection = static_cast<ServerConnection*>(connections_.next);
    connection->unlink();
    connection->insert_before(condemned);
    connection->cut();
  }
  while (condemned.next != &condemned) {  // those whose gateway has yet to say abort()
    ConnectionLink* const connection = condemned.next;
    connection->unlink();
    connection->insert_before(connections_);
  }
  // A tunnel that is cut is closed by the gateway at once, and no other with it.
  for (ConnectionLink* at = tunnels_.next; at != &tunnels_;) {
    auto& tunnel = static_cast<ServerTunnel&>(*at);
    at = at->next;
    tunnel.end().cut();
  }
}

std::unique_ptr<ExchangeMemory> ServerConnections::take_memory() {
  if (last_given_) {
    last_given_->arena.reset();
    return std::move(last_given_);
  }
  if (spare_.empty()) return std::make_unique<ExchangeMemory>(settings_.head);
  std::unique_ptr<ExchangeMemory> memory = std::move(spare_.back());
  spare_.pop_back();
  return memory;
}

void ServerConnections::give_back(std::unique_ptr<ExchangeMemory> memory) {
  memory->input.clear();
  if (last_given_ && spare_.size() < most_spare) {
    last_given_->arena.reset();
    spare_.push_back(std::move(last_given_));
  }
  last_given_ = std::move(memory);
}

void ServerConnections::destroy(ServerConnection& connection) {
  const std::uint32_t ticket = connection.ticket();
  delete &connection;
  forget(ticket);
}

void ServerConnections::destroy(ServerTunnel& tunnel) {
  const std::uint32_t ticket = tunnel.ticket();
  delete &tunnel;
  forget(ticket);
}

void ServerConnections::replace(ServerConnection& connection, ServerTunnel& tunnel) {
  delete &connection;
  tunnel.insert_before(tunnels_);
}

void ServerConnections::forget(std::uint32_t ticket) {
  --size_;
  waist_.on_connection_closed(ticket);
}

void ServerConnections::hand_over(ServerConnection& connection, net::StreamPtr stream, net::Buffer first_bytes) {
  const std::uint32_t ticket = connection.ticket();
  delete &connection;
  --size_;
  taker_->take_over(std::move(stream), std::move(first_bytes), ticket);
}

}  // namespace sluice::http::h1
