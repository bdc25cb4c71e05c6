#pragma once
// The client connections of one listener on one worker: makes them, counts them, ends them, and lends them the memory
// that an exchange needs, so that an idle connection stays small. Not an acceptor: who accepts calls accept(). Only on
// the worker's thread.

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "http/exchange.h"
#include "http/h1/body_reader.h"
#include "http/h1/body_writer.h"
#include "http/h1/input_queue.h"
#include "http/h1/pace.h"
#include "http/h1/parser.h"
#include "http/idle_connection.h"
#include "net/stream.h"

namespace sluice::http::h1 {

// Bounds on what a client may make us wait for and hold.
struct ServerSettings {
  HeadLimits head;
  Duration request_header_timeout = std::chrono::seconds(10);  // first byte of a head to its end; nothing prolongs it
  Duration keep_alive_timeout = std::chrono::seconds(60);      // between exchanges, and before the first
  Duration client_idle_timeout = std::chrono::seconds(60);  // no body byte came while wanted, no answer byte was taken
  // Bytes a second that a body must bring, and that must be taken of an answer, over the time we wait for the client:
  // pace.h. 0: off.
  std::uint32_t least_upload_rate = 240;
  std::uint32_t least_download_rate = 240;
  Duration rate_grace = std::chrono::seconds(5);
  // How much of a body nobody asked for is read and dropped to keep the connection.
  std::uint32_t dropped_body_bytes = 256 * 1024;
  // What may be spoken: requests of HTTP/1 get an answer that says no; a preface of HTTP/2 is handed over.
  bool takes_http1 = true, takes_http2 = true;
};

// Takes over connections that begin with the preface of HTTP/2 (RFC 9113 section 3.3, prior knowledge).
class PrefaceTaker {
 public:
  // `first_bytes`: all that was read, the preface in front. May be called in a callback of the stream.
  virtual void take_over(net::StreamPtr stream, net::Buffer first_bytes, std::uint32_t ticket) = 0;

 protected:
  ~PrefaceTaker() = default;
};

// What a connection holds from the first byte of a request to the end of the exchange.
struct ExchangeMemory {
  explicit ExchangeMemory(const HeadLimits& limits) : parser(limits) {}

  Arena arena;
  RequestParser parser;
  BodyReader reader;
  BodyWriter writer;
  InputQueue input;
  Instant started_at{};
  Pace upload;    // waits while the body's bytes are wanted and do not come
  Pace download;  // waits while the answer cannot go on because the client takes no more
  std::uint64_t head_received_bytes = 0;
  std::uint64_t head_sent_bytes = 0;  // interim heads included
  std::uint64_t dropped_bytes = 0;
};

class ServerConnection;
class ServerTunnel;

// A ring of connections, threaded through them.
struct ConnectionLink {
  ConnectionLink* previous = this;
  ConnectionLink* next = this;
  ConnectionLink() = default;
  ConnectionLink(const ConnectionLink&) = delete;
  ~ConnectionLink() { unlink(); }
  void insert_before(ConnectionLink& at) {
    previous = at.previous;
    next = &at;
    previous->next = this;
    at.previous = this;
  }
  void unlink() {
    previous->next = next;
    next->previous = previous;
    previous = next = this;
  }
};

class ServerConnections {
 public:
  // `waist` and `taker` must outlive this. Without a taker a preface is a malformed request.
  ServerConnections(Waist& waist, const ServerSettings& settings, PrefaceTaker* taker = nullptr);
  ServerConnections(const ServerConnections&) = delete;
  // Closes what is left without a word to the waist.
  ~ServerConnections();

  // Serves HTTP/1 on the stream until it is over; then calls Waist::on_connection_closed(), which may happen inside
  // ClientHalf::send_end() and abort().
  // `ticket`: told again in that call.
  void accept(net::StreamPtr stream, std::uint32_t ticket = 0);
  std::size_t size() const { return size_; }  // tunnels included
  // Holds for what begins from now on.
  void change_settings(const ServerSettings& settings) { settings_ = settings; }

  // Adds all that wait for a request. Closing one of them touches no other.
  void find_idle(std::vector<IdleConnection>& found);

  // Closes the idle ones. The others close after their answer, because Waist::is_draining(). Tunnels are the gateway's
  // to end.
  void drain();
  // Cuts all: exchanges in progress hear on_client_failed(client_closed) and cannot answer any more.
  void close_all();

 private:
  friend class ServerConnection;
  friend class ServerTunnel;

  // An empty memory. The one given back last is not emptied before the next call: see give_back().
  std::unique_ptr<ExchangeMemory> take_memory();
  // May be called deep inside the gateway, which may still read the arena until it returns to the loop. So the memory
  // is kept as it is and emptied when the next one is taken or given back.
  void give_back(std::unique_ptr<ExchangeMemory> memory);
  void destroy(ServerConnection& connection);
  void hand_over(ServerConnection& connection, net::StreamPtr stream, net::Buffer first_bytes);
  void destroy(ServerTunnel& tunnel);
  // Deletes the connection: `tunnel` goes on in its place.
  void replace(ServerConnection& connection, ServerTunnel& tunnel);
  void forget(std::uint32_t ticket);

  static constexpr std::size_t most_spare = 256;

  Waist& waist_;
  PrefaceTaker* const taker_;
  ServerSettings settings_;
  ConnectionLink connections_;  // head of the ring
  ConnectionLink tunnels_;      // and of another, of ServerTunnels
  std::size_t size_ = 0;
  std::vector<std::unique_ptr<ExchangeMemory>> spare_;
  std::unique_ptr<ExchangeMemory> last_given_;
};

}  // namespace sluice::http::h1
