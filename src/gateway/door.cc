#include "gateway/door.h"

#include <algorithm>

#include "gateway/causes.h"
#include "gateway/fault_reply.h"

namespace sluice::gateway {

Door::Door(net::Loop& loop, WorkerMetrics& metrics, const CauseTable& causes,
           std::function<void(std::size_t)> make_room)
    : loop_(loop),
      metrics_(metrics),
      causes_(causes),
      make_room_(std::move(make_room)),
      full_answer_(bare_reply(connections_exceeded)),
      client_answer_(bare_reply(client_connections_exceeded)) {}

net::StreamPtr Door::let_in(net::StreamPtr stream, bool is_secure, const ConnectionCaps& caps,
                            ClientConnections& counts, ClientConnections::Ticket& ticket) {
  // A scan of all connections finds the oldest idle ones: a few at once, so that a flood does not scan at each accept.
  constexpr std::int64_t share_of_scan = 64;
  if (counts.open() + 1 > caps.near())
    make_room_(static_cast<std::size_t>(std::max<std::int64_t>(metrics_.connections_open.value() / share_of_scan, 1)));
  switch (counts.enter(stream->peer(), caps, ticket)) {
    case ClientConnections::Verdict::admitted:
      return stream;
    case ClientConnections::Verdict::too_many:
      turn_away(std::move(stream), is_secure, connections_exceeded, metrics_.refused_connections, full_answer_);
      break;
    case ClientConnections::Verdict::too_many_of_client:
      turn_away(std::move(stream), is_secure, client_connections_exceeded, metrics_.refused_client_connections,
                client_answer_);
      break;
  }
  return nullptr;
}

void Door::turn_away(net::StreamPtr stream, bool is_secure, const Cause& cause, Counter& counter,
                     const std::string& answer) {
  counter.add();
  metrics_.answered_here(causes_.index_of(&cause));
  if (is_secure || loop_.leaving() >= most_goodbyes) return stream.release()->let_go(net::Stream::Goodbye::abort);
  stream->write(std::string_view(answer));
  stream.release()->let_go(net::Stream::Goodbye::flush_and_close);
}

}  // namespace sluice::gateway
