#pragma once
// Where client connections come in, or are turned away. One per worker; the counts are the process's.
//
// Who is turned away gets a whole answer, 503 with Retry-After, although nothing was read: a client then knows that it
// was no accident, and when to come back. Only so many such answers are under way at once; beyond them the connection
// is reset, since saying no must not cost more than saying yes.

#include <functional>
#include <memory>
#include <string>

#include "gateway/client_connections.h"
#include "gateway/metrics.h"
#include "net/loop.h"

namespace sluice::gateway {

class Door {
 public:
  static constexpr std::size_t most_goodbyes = 256;

  // `make_room(count)` closes that many idle connections of this worker, the oldest first.
  Door(net::Loop& loop, WorkerMetrics& metrics, const CauseTable& causes, std::function<void(std::size_t)> make_room);

  // Null when the connection was turned away. Otherwise leave(ticket) is due when it ends.
  // `is_secure`: the client expects TLS. Who is turned away there is cut: a handshake only to say no costs too much.
  net::StreamPtr let_in(net::StreamPtr stream, bool is_secure, const ConnectionCaps& caps, ClientConnections& counts,
                        ClientConnections::Ticket& ticket);

 private:
  void turn_away(net::StreamPtr stream, bool is_secure, const Cause& cause, Counter& counter, const std::string& answer);

  net::Loop& loop_;
  WorkerMetrics& metrics_;
  const CauseTable& causes_;
  std::function<void(std::size_t)> make_room_;
  const std::string full_answer_, client_answer_;
};

}  // namespace sluice::gateway
