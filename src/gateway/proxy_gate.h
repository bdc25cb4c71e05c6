#pragma once
// Connections of trusted proxies whose PROXY header has yet to come: it is read here, before TLS and HTTP, and nothing
// behind it. Who does not send a right one in time is let go without a word. One for each listener and worker; on the
// worker's thread.

#include <list>
#include <memory>
#include <string>

#include "gateway/client_connections.h"
#include "gateway/metrics.h"
#include "net/loop.h"

namespace sluice::gateway {

class ProxyGate {
 public:
  class Owner {
   public:
    // The header has come: the stream names the client as its peer, and brings what lay behind the header.
    virtual void on_told(net::StreamPtr stream, ClientConnections::Ticket ticket) = 0;
    // There will be none.
    virtual void on_untold(ClientConnections::Ticket ticket) = 0;

   protected:
    ~Owner() = default;
  };

  ProxyGate(net::Loop& loop, WorkerMetrics& metrics, Owner& owner);
  ProxyGate(const ProxyGate&) = delete;
  ~ProxyGate();

  // `ticket` is told again in the one call that follows.
  void begin(net::StreamPtr stream, ClientConnections::Ticket ticket, Duration patience);
  void close_all();
  std::size_t size() const { return waiting_.size(); }

 private:
  class Waiting;
  using Place = std::list<std::unique_ptr<Waiting>>::iterator;
  void refuse(Place place, Counter& why);

  net::Loop& loop_;
  WorkerMetrics& metrics_;
  Owner& owner_;
  std::list<std::unique_ptr<Waiting>> waiting_;
};

}  // namespace sluice::gateway
