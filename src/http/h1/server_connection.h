#pragma once
// One client's HTTP/1 connection: turns its bytes into exchanges, one at a time, and is the client's half of the one in
// progress. Pipelined requests wait in a bounded queue (RFC 9112 section 9.3.2).
// Not a router, and it makes no answers: each request, also one that cannot be read, goes to the waist.
//
// A small state machine, driven by run() only: stream, timer and gateway leave facts behind (bytes, flags) and call
// run(), which takes one step after the other until there is nothing to do. Inside run() a nested run() does nothing,
// so that events never nest and a thousand pipelined requests are a loop.
//
// Owns itself; ServerConnections makes it and lends it memory. Only on the worker's thread.

#include <cstdint>
#include <memory>
#include <string_view>

#include "http/exchange.h"
#include "http/h1/server_connections.h"
#include "net/stream.h"
#include "net/timer.h"

namespace sluice::http::h1 {

class ServerConnection final : public ConnectionLink,
                               public ClosableConnection,
                               private net::StreamHandler,
                               private ClientHalf {
 public:
  ServerConnection(ServerConnections& owner, net::StreamPtr stream, std::uint32_t ticket);
  ~ServerConnection();

  void close_if_idle() override;  // no byte of a request is there; may delete this
  void cut();                     // tells the gateway that the client is gone; may delete this
  bool is_idle() const { return state_ == State::idle && !memory_; }
  Instant idle_until() const { return deadline_; }  // when idle
  std::uint32_t ticket() const { return ticket_; }

 private:
  enum class State : std::uint8_t {
    idle,      // no byte of a request; memory only while pipelined bytes wait
    head,      // reading a head
    exchange,  // the waist has it
    ending,    // the answer is complete: the rest of the request's body goes first, then the next request may come
  };

  // net::StreamHandler
  void on_data(net::Buffer bytes) override;
  void on_end() override;
  void on_drained() override;
  void on_failed(Error error) override;

  // ClientHalf: server_connection_answer.cc
  Arena& arena() override { return memory_->arena; }
  const net::Address& peer() const override { return stream_->peer(); }
  const net::Security* security() const override { return stream_->security(); }
  Instant started_at() const override { return memory_->started_at; }
  void pull_body() override;
  bool can_answer() const override;
  void send_continue() override;
  void send_interim(const ResponseHead& head) override;
  bool send_head(const ResponseHead& head) override;
  TunnelEnd* send_switch(const ResponseHead& head, TunnelEvents& events) override;
  void send_body(net::Buffer bytes) override;
  void send_body(std::string_view bytes) override;
  void send_end(const FieldList* trailers) override;
  void abort() override;
  void close_after() override { exchange_.keep_alive = false; }
  std::size_t unsent_bytes() const override;
  void want_room() override;
  std::uint64_t received_bytes() const override;
  std::uint64_t sent_bytes() const override;

  Framing response_framing(const ResponseHead& head) const;
  bool write_head(const ResponseHead& head, Framing framing);
  bool may_keep_alive() const;
  bool takes_answer() const { return state_ == State::exchange && !is_dead_; }

  // The machine. A step returns true when another may follow.
  void enter_from_loop();
  void run();
  bool step();
  bool read_head();
  bool read_preface();
  bool begin_exchange();
  bool refuse(Refusal refusal);
  bool serve();
  bool serve_body();
  bool fail(Refusal refusal);
  bool end_exchange();
  bool drop_body();
  bool go_idle();
  bool close(net::Stream::Goodbye how);

  // Time: server_connection_time.cc
  void on_timer();
  bool expire();
  bool expire_exchange();
  void arm(Instant deadline);
  void arm_exchange();
  void starve(bool is_starved);
  void start_paces();
  Pace::Terms upload_terms() const;
  Pace::Terms download_terms() const;
  void await_client();
  std::int64_t taken_bytes() const;
  Instant now() const { return owner_.waist_.loop().now(); }

  ServerConnections& owner_;
  net::StreamPtr stream_;
  std::unique_ptr<ExchangeMemory> memory_;
  ClientEvents* events_ = nullptr;
  ServerTunnel* successor_ = nullptr;  // has the stream; this is to be deleted when run() ends
  // Fires at the deadline or before: a later deadline is a store, and the timer is set anew when it fires too early.
  net::Timer timer_;
  Instant deadline_ = Instant::max();
  const std::uint32_t ticket_;
  State state_ = State::idle;
  bool is_running_ = false;
  bool is_in_callback_ = false;  // run() was entered from the loop, so no frame of the gateway lies below it
  bool ended_in_call_ = false;   // the exchange ended where one does: the next begins from a later callback
  bool is_over_ = false;         // to be deleted when run() ends
  bool is_dead_ = false;         // nothing can be sent any more
  bool has_ended_ = false;       // the client sent FIN
  bool is_expired_ = false;      // the deadline has passed: the next step looks why
  bool is_paused_ = false;
  bool is_fresh_ = true;         // may still turn out to speak HTTP/2
  bool is_handed_over_ = false;  // it does: to be deleted when run() ends

  struct Exchange {  // facts about the one in progress
    bool keep_alive = true;
    bool has_credit = false;
    bool has_told_end = false;
    bool is_room_wanted = false;
    bool has_room = false;
    bool has_failed = false;  // on_client_failed was called
    bool has_sent_head = false;
    bool has_sent_continue = false;
    bool is_head_request = false;
    bool is_http10 = false;
    bool expects_continue = false;
  };
  Exchange exchange_;
};

}  // namespace sluice::http::h1
