#pragma once
// A worker: one thread with its own loop, pools, plan slots and counters. It shares with the others only the plan, the
// load counters of endpoints and what policies keep. Made and published to by control; everything but the constructor
// and post() runs on the worker's thread.

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_ring.h"
#include "gateway/door.h"
#include "gateway/exchange.h"
#include "gateway/handshake_notes.h"
#include "gateway/long_streams.h"
#include "gateway/metrics.h"
#include "gateway/overload.h"
#include "gateway/plan_slots.h"
#include "gateway/proxy_gate.h"
#include "gateway/tls_handshakes.h"
#include "http/exchange.h"
#include "http/h1/server_connections.h"
#include "http/h2/server_connections.h"
#include "http/idle_connection.h"
#include "net/loop.h"
#include "upstream/codec_connector.h"
#include "upstream/pool.h"

namespace sluice::gateway {

class Worker;

// One listener on one worker: accepts, and is the waist that its connections meet.
class ListenerPort final : private http::Waist,
                           private net::AcceptHandler,
                           private http::h1::PrefaceTaker,
                           private ProxyGate::Owner,
                           private TlsHandshakes::Owner {
 public:
  ListenerPort(Worker& worker, PlanSlots::Pin plan, const ListenerPlan& listener, net::ListenSocket socket);

  // The listener as the new plan has it. Exchanges in progress stay with the plan they began under.
  void adopt(PlanSlots::Pin plan, const ListenerPlan& listener);
  // No more connections: those that are silent close after `patience`, the others after their answer.
  void retire(Duration patience);
  void close_all();
  void find_idle(std::vector<http::IdleConnection>& found);
  // Connections that carry many requests are told that the end is near.
  void announce_drain() { http2_.announce_drain(); }

  bool is_retired() const { return acceptor_ == nullptr; }
  bool is_empty() const { return connections() == 0 && handshakes_.size() == 0 && proxies_.size() == 0; }
  std::size_t connections() const { return connections_.size() + http2_.size(); }
  const ListenerPlan& listener() const { return *listener_; }

 private:
  void on_accept(net::StreamPtr stream) override;
  bool make_room() override;
  void on_told(net::StreamPtr stream, ClientConnections::Ticket ticket) override;
  void on_untold(ClientConnections::Ticket ticket) override;
  bool is_proxy(const net::Address& peer) const;
  void let_in(net::StreamPtr stream);
  void hear_of_retirement();
  void serve(net::StreamPtr stream, ClientConnections::Ticket ticket);
  void on_secured(net::StreamPtr stream, ClientConnections::Ticket ticket) override;
  void on_handshake_failed(const net::Address& client, const Error& error, ClientConnections::Ticket ticket) override;
  http::ClientEvents* begin(http::ClientHalf& half, const http::Request& request) override;
  void refuse(http::ClientHalf& half, const http::RefusedRequest& refused) override;
  void take_over(net::StreamPtr stream, net::Buffer first_bytes, std::uint32_t ticket) override;
  void on_connection_closed(std::uint32_t ticket) override;
  bool is_draining() const override;
  net::Loop& loop() override;

  Worker& worker_;
  PlanSlots::Pin plan_;
  const ListenerPlan* listener_;
  http::h1::ServerConnections connections_;
  http::h2::ServerConnections http2_;
  ProxyGate proxies_;
  TlsHandshakes handshakes_;
  std::unique_ptr<net::Acceptor> acceptor_;
  void close_silent();
  net::Timer silent_timer_ = net::Timer::of<&ListenerPort::close_silent>(this);
};

class Worker {
 public:
  struct NewSocket {
    std::string listener;  // name
    net::ListenSocket socket;
  };
  // `number` counts workers from 0. `on_drained` is called on the worker's thread once it drains and has no connection
  // left; `tell`, also there, with a line for the gateway's own log, and must not wait. `causes` and `log` must outlive
  // it.
  Worker(unsigned number, std::unique_ptr<net::Loop> loop, const CauseTable& causes, ByteRing& log,
         std::function<void()> on_drained, std::function<void(std::string)> tell = nullptr);
  ~Worker();

  // ---- from any thread
  void post(std::move_only_function<void()> task) { loop_->post(std::move(task)); }
  unsigned number() const { return number_; }
  WorkerMetrics& metrics() { return metrics_; }
  ByteRing& log_ring() { return log_; }
  const CauseTable& causes() const { return causes_; }
  const upstream::Pool::Counters& pool_counters() const { return pool_.counters(); }
  net::Loop::Counters loop_counters() const { return loop_->counters(); }

  // ---- on the worker's thread
  void run() { loop_->run(); }
  // Makes `plan` the current one: ports for new listeners from `sockets`, removed ones retire.
  void publish(std::shared_ptr<const Plan> plan, std::vector<NewSocket> sockets);
  // A connection without a request when its port retires is not closed at once: one was perhaps sent already, and lies
  // unread in the kernel or on the wire, above all on what the acceptor has just taken out of the kernel's queue.
  static constexpr Duration silent_patience = std::chrono::milliseconds(250);
  // And one whose TLS handshake is not done when its port retires has this long.
  static constexpr Duration handshake_patience = std::chrono::seconds(2);
  // drain() is near: answers ask their clients to close, so that few connections are left to be closed while idle.
  void announce_drain();
  bool is_leaving() const { return is_leaving_; }
  // No new connections; on_drained once all are gone. Silent ones may be given more time, in which their clients send
  // one more request, whose answer tells them to close, or close by themselves.
  // Long streams are ended one by one; `is_replaced` is for them: another process serves already.
  void drain(Duration patience = silent_patience, bool is_replaced = false);
  void close_all();  // cuts what is left, then on_drained
  void stop() { loop_->stop(); }

  net::Loop& loop() { return *loop_; }
  upstream::Pool& pool() { return pool_; }
  PlanSlots& plans() { return plans_; }
  Door& door() { return door_; }
  Overload& overload() { return overload_; }
  LongStreams& streams() { return streams_; }
  HandshakeNotes& handshake_notes() { return handshake_notes_; }
  // Exchanges and tunnels that have let their plan go.
  void count_planless(std::ptrdiff_t change) { planless_ += change; }
  std::ptrdiff_t planless() const { return planless_; }
  std::size_t ports() const { return ports_.size(); }
  Exchange& take_exchange();
  void recycle(Exchange& exchange);
  // The Date field of answers made here: formatted once a second.
  std::string_view http_date();
  void on_connection_gone();
  // Closes that many idle connections of this worker, the longest idle first, and counts them. How many there were.
  std::size_t close_idle(std::size_t count, Counter& counter);

 private:
  void sweep_ports();
  void outlive_plans();

  const unsigned number_;
  std::unique_ptr<net::Loop> loop_;
  const CauseTable& causes_;
  std::function<void()> on_drained_;
  WorkerMetrics metrics_;
  ByteRing& log_;
  upstream::CodecConnector connector_;
  upstream::Pool pool_;
  PlanSlots plans_;
  std::vector<http::IdleConnection> idle_;  // of close_idle(), kept for its memory
  Door door_;
  Overload overload_;
  LongStreams streams_;
  HandshakeNotes handshake_notes_;
  std::list<std::unique_ptr<ListenerPort>> ports_;
  Exchange* free_ = nullptr;
  std::vector<Exchange*> exchanges_;  // all there are, in use and free
  std::ptrdiff_t planless_ = 0;
  net::Timer sweep_timer_ = net::Timer::of<&Worker::sweep_ports>(this);
  net::Timer outlive_timer_ = net::Timer::of<&Worker::outlive_plans>(this);
  bool is_leaving_ = false;
  bool is_draining_ = false;
  bool is_cut_ = false;
  std::int64_t date_second_ = -1;
  char date_[32] = {};
};

}  // namespace sluice::gateway
