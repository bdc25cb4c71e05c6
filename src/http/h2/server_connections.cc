#include "http/h2/server_connections.h"

#include <algorithm>
#include <utility>

#include "http/h2/server_connection.h"
#include "http/h2/server_stream.h"

namespace sluice::http::h2 {

ServerConnections::ServerConnections(Waist& waist, ServerCounters& counters, const h1::ServerSettings& times,
                                     const ServerSettings& settings)
    : waist_(waist),
      counters_(counters),
      times_(times),
      settings_(settings),
      burial_(net::TurnEnd::of<&ServerConnections::bury>(this)) {
  fields_.reserve(64);
}

ServerConnections::~ServerConnections() {
  for (ServerConnection* const connection : doomed_) delete connection;
  while (connections_.next != &connections_) delete static_cast<ServerConnection*>(connections_.next);
}

void ServerConnections::accept(net::StreamPtr stream, net::Buffer first_bytes, std::uint32_t ticket) {
  auto* const connection = new ServerConnection(*this, std::move(stream), ticket);  // owns itself; destroy() ends it
  connection->insert_before(connections_);
  ++size_;
  connection->begin(std::move(first_bytes));
  if (is_draining_) return connection->drain();
  if (waist_.is_draining()) connection->announce_drain();
}

void ServerConnections::find_idle(std::vector<IdleConnection>& found) {
  for (h1::ConnectionLink* at = connections_.next; at != &connections_; at = at->next) {
    auto* const connection = static_cast<ServerConnection*>(at);
    if (connection->is_idle()) found.push_back({connection->idle_until(), connection});
  }
}

void ServerConnections::announce_drain() {
  for (h1::ConnectionLink* at = connections_.next; at != &connections_; at = at->next)
    static_cast<ServerConnection*>(at)->announce_drain();
}

void ServerConnections::drain() {
  is_draining_ = true;
  for (h1::ConnectionLink* at = connections_.next; at != &connections_; at = at->next)
    static_cast<ServerConnection*>(at)->drain();
}

// A connection that is cut leaves the ring.
void ServerConnections::close_all() {
  while (connections_.next != &connections_) static_cast<ServerConnection*>(connections_.next)->cut();
}

ServerStream& ServerConnections::take_stream() {
  if (spare_.empty()) return *new ServerStream;
  ServerStream& stream = *spare_.back().release();
  spare_.pop_back();
  return stream;
}

void ServerConnections::give_back(ServerStream& stream) {
  stream.recycle();
  std::unique_ptr<ServerStream> owned(&stream);
  if (spare_.size() < most_spare) spare_.push_back(std::move(owned));
}

void ServerConnections::destroy(ServerConnection& connection) {
  if (std::ranges::find(doomed_, &connection) == doomed_.end()) doomed_.push_back(&connection);
  waist_.loop().at_turn_end(burial_);
}

void ServerConnections::bury() {
  for (std::size_t i = 0; i < doomed_.size();) {
    if (doomed_[i]->has_exchanges()) {  // the gateway has yet to say abort(), which brings it here again
      ++i;
      continue;
    }
    const std::uint32_t ticket = doomed_[i]->ticket();
    delete doomed_[i];
    doomed_.erase(doomed_.begin() + static_cast<std::ptrdiff_t>(i));
    --size_;
    waist_.on_connection_closed(ticket);
  }
}

}  // namespace sluice::http::h2
