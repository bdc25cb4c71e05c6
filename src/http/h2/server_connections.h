#pragma once
// The HTTP/2 client connections of one listener on one worker: makes them, counts them, ends them, and lends them the
// memory that streams need. Not an acceptor, and it does not choose the protocol: who does calls accept() with what was
// read of the connection so far, preface included. Only on the worker's thread.

#include <cstdint>
#include <memory>
#include <vector>

#include "http/exchange.h"
#include "http/h1/server_connections.h"
#include "http/h2/counters.h"
#include "http/h2/session.h"
#include "http/h2/session_memory.h"
#include "http/idle_connection.h"
#include "net/stream.h"

namespace sluice::http::h2 {

class ServerConnection;
class ServerStream;

struct ServerSettings {
  SessionSettings session;
  std::int64_t glitches = 1000;            // glitches.h
  std::size_t connection_bytes = 4 << 20;  // past it no new stream is taken
  Duration window_stall = std::chrono::seconds(30);
};

class ServerConnections {
 public:
  // All must outlive this. `times`: what the listener lets any client keep us waiting for, and the limits of heads.
  ServerConnections(Waist& waist, ServerCounters& counters, const h1::ServerSettings& times,
                    const ServerSettings& settings);
  ServerConnections(const ServerConnections&) = delete;
  // Closes what is left without a word to the waist.
  ~ServerConnections();

  // Serves HTTP/2 on the stream until it is over; then calls Waist::on_connection_closed(ticket), at the end of a turn.
  void accept(net::StreamPtr stream, net::Buffer first_bytes, std::uint32_t ticket);
  std::size_t size() const { return size_; }
  // Holds for streams that begin, and connections that are made, from now on.
  void change_settings(const h1::ServerSettings& times, const ServerSettings& settings) {
    times_ = times;
    settings_ = settings;
  }

  void find_idle(std::vector<IdleConnection>& found);
  // GOAWAY, in two steps: it will come (streams are still taken); here it is, idle connections close, the others when
  // their streams are done.
  void announce_drain();
  void drain();
  // Cuts all: exchanges in progress hear on_client_failed(client_closed) and cannot answer any more.
  void close_all();

 private:
  friend class ServerConnection;
  friend class ServerStream;

  ServerStream& take_stream();
  void give_back(ServerStream& stream);
  void destroy(ServerConnection& connection);  // at the end of the turn
  void bury();

  static constexpr std::size_t most_spare = 256;

  Waist& waist_;
  ServerCounters& counters_;
  h1::ServerSettings times_;
  ServerSettings settings_;
  SessionMemory memory_;
  h1::ConnectionLink connections_;  // head of the ring
  std::size_t size_ = 0;
  bool is_draining_ = false;
  std::vector<std::unique_ptr<ServerStream>> spare_;
  std::vector<ServerConnection*> doomed_;
  std::vector<HeaderField> fields_;  // of a head that is being written: kept for its memory
  net::TurnEnd burial_;
};

}  // namespace sluice::http::h2
