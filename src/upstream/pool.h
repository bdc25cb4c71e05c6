#pragma once
// The connections of one worker to all endpoints: handed out, taken back, kept while they may be of use.
// Not the choice of the endpoint (group.h), not the retry of a stale connection (the exchange driver's): `fresh_only`
// is all that the pool knows of it. All on the worker's thread.
//
// A connection belongs to its Link, and the links of one endpoint to its Shelf. The last one to become idle is used
// first, so that the others grow old and are given up. Only endpoints of the plan in force (adopt()) are pooled.
//
// A connection of HTTP/2 is shared: it stays on its shelf while exchanges use it, and takes more as long as it has
// room. Who asks while the first one to an endpoint is being made waits for that one.
//
// With `protocol: auto` the TLS handshake tells which of the two it is. Until the first one has told, the pool reckons
// with HTTP/2; when it is HTTP/1.1, who has waited for it gets a connection of its own, and the pool reckons with that
// from then on.
//
// A connection that begins with a PROXY header is for one exchange: it says whose.

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/counter.h"
#include "base/result.h"
#include "base/time.h"
#include "http/exchange.h"
#include "net/loop.h"
#include "net/timer.h"
#include "upstream/config.h"
#include "upstream/endpoint.h"
#include "upstream/group.h"

namespace sluice::upstream {

class Attempt;
class Pool;
class Link;
struct Shelf;

// Makes connections: codec_connector.h, or a test's.
class Connector {
 public:
  using TlsPtr = std::shared_ptr<const net::tls::ClientContext>;
  struct Manner {
    Protocol protocol;
    const TlsPtr& tls;               // null: in the clear
    std::string_view first_bytes{};  // sent before all else, TLS included; a view for the call
  };
  // Starts to connect; `owner` hears on_connected or on_connect_failed in a later callback.
  virtual std::unique_ptr<http::UpstreamConnection> connect(const net::Address& to, const Manner& manner,
                                                            http::UpstreamConnectionOwner& owner) = 0;

 protected:
  ~Connector() = default;
};

// What an exchange hears of its Attempt: one of the two, once.
class AttemptEvents {
 public:
  // `connection` is connected, and idle or shared with room: start() it in this call.
  virtual void on_connection(http::UpstreamConnection& connection, bool is_reused) = 0;
  // Nothing was sent. Code::exhausted of the upstream's side: too many wait for a connection to that endpoint, and it
  // was not asked. error.retryable is true unless the gateway itself is at fault (error.side) and would be with
  // every endpoint.
  virtual void on_no_connection(Error error) = 0;

 protected:
  ~AttemptEvents() = default;
};

// Which connection an attempt takes.
enum class Wanted : std::uint8_t {
  any,    // a pooled one, or one that many share; else a new one
  fresh,  // none that was idle, as after a stale one; one that many share will do
  own,  // a new one of HTTP/1.1 that is nobody else's before or after (a WebSocket's); with `protocol: http2` as fresh
};

// An exchange's wait for a connection; stands inside the exchange. Dropping it cancels it.
class Attempt {
 public:
  Attempt() : timer_(net::Timer::of<&Attempt::on_timeout>(this)) {}
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  ~Attempt() { cancel(); }

  // Asks for a connection to `endpoint`, which the caller's plan keeps alive. A pooled one is handed over before
  // start() returns, and so is the refusal of one too many (`max_pending`): make it the last thing a function does.
  // `client`: whom it is for. Not while waiting.
  //   cost  no allocation when a connection is reused
  void start(Pool& pool, Endpoint& endpoint, const Timeouts& timeouts, Wanted wanted, const net::Address& client,
             AttemptEvents& events);
  // Gives the connect up; no event follows. Does nothing when not waiting.
  void cancel();
  bool is_waiting() const { return link_ != nullptr; }

 private:
  friend class Link;
  friend class Pool;
  void on_timeout();
  void wait_for(Link& link, const Timeouts& timeouts, const net::Address& client, AttemptEvents& events);

  Link* link_ = nullptr;     // that is connecting for us
  Attempt* next_ = nullptr;  // who waits for the same
  AttemptEvents* events_ = nullptr;
  net::Address client_;
  net::Timer timer_;
};

// One connection from its connect to its end, and its owner to the codec. Reused for later ones; never on the heap by
// itself.
class Link final : public http::UpstreamConnectionOwner {
 public:
  explicit Link(Pool& pool) : pool_(pool) {}

 private:
  friend class Attempt;
  friend class Pool;
  enum class State : std::uint8_t { free, connecting, in_use, idle, shared };

  void add_waiter(Attempt& attempt);
  void remove_waiter(Attempt& attempt);
  Attempt* take_waiter(bool is_over = true);

  void on_connected(http::UpstreamConnection& connection) override;
  void on_connect_failed(http::UpstreamConnection& connection, Error error) override;
  void on_idle(http::UpstreamConnection& connection) override;
  void on_unusable(http::UpstreamConnection& connection) override;

  Pool& pool_;
  Shelf* shelf_ = nullptr;
  std::unique_ptr<http::UpstreamConnection> connection_;
  Attempt* attempt_ = nullptr;  // connecting: who waits for it, the first of them
  std::uint32_t waiters_ = 0;
  bool is_idle_ = false;   // shared: no exchange uses it
  Link* older_ = nullptr;  // idle: neighbours on the shelf
  Link* newer_ = nullptr;
  Instant opened_at_{};
  Instant idle_since_{};
  Connector::TlsPtr tls_;                    // that the connection was made with
  Protocol protocol_ = Protocol::automatic;  // the same: what was asked for
  bool is_told_of_client_ = false;           // the same, by a PROXY header
  State state_ = State::free;
};

// What one worker has of one endpoint.
struct Shelf {
  std::shared_ptr<Endpoint> endpoint;
  KeepAliveConfig keep_alive;
  Protocol protocol = Protocol::automatic;
  ProxyProtocol proxy_protocol = ProxyProtocol::off;
  Connector::TlsPtr tls;      // null: in the clear
  bool speaks_http1 = false;  // what the last handshake of an `auto` has told
  bool is_kept = false;       // the plan in force has the endpoint
  std::uint32_t links = 0;    // idle, in use and connecting
  std::uint32_t idle = 0;
  Link* oldest = nullptr;  // of the idle ones, by the time they became idle
  Link* newest = nullptr;
  std::vector<Link*> shared;   // connections that many exchanges use, the first one made first
  Link* connecting = nullptr;  // one that will, or may, be shared

  bool may_share() const {
    return protocol == Protocol::http2 || (protocol == Protocol::automatic && tls != nullptr && !speaks_http1);
  }
};

class Pool {
 public:
  static constexpr Duration sweep_period = std::chrono::seconds(1);  // idle connections may overstay this long
  // Who waits for one connection that will be shared. More would not fit on it, by what most servers allow.
  static constexpr std::uint32_t most_waiters = 100;

  Pool(net::Loop& loop, Connector& connector);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  // Closes all connections. The exchanges that use them end before.
  ~Pool();

  net::Loop& loop() { return loop_; }

  // Tells which plan is in force, first of all and after each reload: takes over its settings, and closes idle
  // connections to endpoints that it has not. Those in use end by themselves and are not kept. `groups` need not
  // outlive the call.
  void adopt(std::span<const std::unique_ptr<const Group>> groups);
  // For drain: closes what is idle, now and from now on.
  void close_idle();

  struct Counters {
    Counter connects, connect_failures, connects_cancelled;  // started; refused, unreachable, timed out; given up
    Counter opened, reused;                                  // handed to an exchange: new, pooled
    Counter closed_idle, closed_age, closed_surplus;         // by us: unused too long, too old, above max_idle
    Counter closed_removed;                                  // by us: its endpoint left the plan, or drain
    Counter lost;                                            // idle, and the upstream closed it
    Gauge idle, open;                                        // now; open counts idle ones and those in use
  };
  const Counters& counters() const { return counters_; }  // read by any thread

 private:
  friend class Attempt;
  friend class Link;

  Shelf& shelf_of(Endpoint& endpoint);
  Link& connect(Shelf& shelf, Protocol protocol, std::string_view first_bytes = {});  // begins to
  Link& connect_for(Shelf& shelf, const net::Address& client);
  Link* take_idle(Shelf& shelf);    // null when there is none of use
  Link* take_shared(Shelf& shelf);  // the same, of those with room
  void share(Link& link);           // is connected: to be used by many
  void hand_out(Link& link);        // to those who wait for it
  void refuse_all(Link& link, const Error& error);
  // All but the first `stay` (0 or 1) of them: each gets one of its own.
  void disperse(Link& link, std::uint32_t stay);
  bool is_outdated(const Link& link) const;  // made under other terms than its shelf has
  void put_back_shared(Link& link);          // no exchange uses it any more
  void put_back(Link& link);                 // after an exchange
  void discard(Link& link);                  // closes; the link is free, and its shelf may be gone
  Counter* why_close(const Link& link);      // null: it may stay
  void push_newest(Link& link);
  void remove_idle(Link& link);
  void empty(Shelf& shelf);
  void sweep();

  net::Loop& loop_;
  Connector& connector_;
  net::Timer sweep_timer_;
  std::vector<std::unique_ptr<Shelf>> shelves_;  // at Endpoint::slot(); null where there is none
  std::deque<Link> links_;                       // addresses stay; used again and again
  std::vector<Link*> free_links_;
  bool is_draining_ = false;
  Counters counters_;
};

}  // namespace sluice::upstream
