#pragma once
// Connections of one listener on one worker whose TLS handshake is not done yet: each with its deadline, counted. Not
// the handshake itself: that is net/tls. Only on the worker's thread.

#include <list>

#include "gateway/client_connections.h"
#include "gateway/metrics.h"
#include "net/loop.h"

namespace sluice::gateway {

class TlsHandshakes {
 public:
  using Ticket = ClientConnections::Ticket;
  class Owner {
   public:
    // Its handler is to be set in this call.
    virtual void on_secured(net::StreamPtr stream, Ticket ticket) = 0;
    virtual void on_handshake_failed(const net::Address& client, const Error& error, Ticket ticket) = 0;

   protected:
    ~Owner() = default;
  };

  TlsHandshakes(net::Loop& loop, WorkerMetrics& metrics, Owner& owner)
      : loop_(loop), metrics_(metrics), owner_(owner) {}
  TlsHandshakes(const TlsHandshakes&) = delete;
  ~TlsHandshakes() { metrics_.tls_handshakes_open.subtract(static_cast<std::int64_t>(all_.size())); }

  // `stream`: of net::tls::accept().
  void begin(net::StreamPtr stream, Ticket ticket, Duration timeout);
  std::size_t size() const { return all_.size(); }
  // None may take longer than this from now on.
  void hurry(Duration most);
  void close_all();

 private:
  // Alerts to so many clients may be on their way out at once; beyond them connections are reset.
  static constexpr std::size_t most_goodbyes = 256;

  struct Handshake final : net::StreamHandler {
    Handshake(TlsHandshakes& owner, net::StreamPtr made, Ticket number);
    void on_connected() override;
    void on_data(net::Buffer) override {}  // none before on_connected()
    void on_end() override {}
    void on_failed(Error error) override;
    void on_timeout();

    TlsHandshakes& owner;
    net::StreamPtr stream;
    const Ticket ticket;
    net::Timer timer;
    std::list<Handshake>::iterator place;
  };
  void succeed(Handshake& handshake);
  void fail(Handshake& handshake, const Error& error, net::Stream::Goodbye how);
  void remove(Handshake& handshake);

  net::Loop& loop_;
  WorkerMetrics& metrics_;
  Owner& owner_;
  std::list<Handshake> all_;
};

}  // namespace sluice::gateway
