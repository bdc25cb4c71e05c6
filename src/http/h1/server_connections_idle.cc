// Which connections may go when room is needed: those that wait for a request, the longest first. Nothing is kept in
// order for it: that would cost every request a few cache misses, and a scan is seldom needed.
#include "http/h1/server_connection.h"

namespace sluice::http::h1 {

void ServerConnections::find_idle(std::vector<IdleConnection>& found) {
  for (ConnectionLink* at = connections_.next; at != &connections_; at = at->next) {
    auto* const connection = static_cast<ServerConnection*>(at);
    if (connection->is_idle()) found.push_back({connection->idle_until(), connection});
  }
}

}  // namespace sluice::http::h1
