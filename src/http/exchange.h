#pragma once
// The waist: where HTTP/1 (and later HTTP/2, HTTP/3) meets the gateway. A codec offers each exchange as two halves, one
// to the client and one to the upstream; the gateway drives both and knows no protocol.
//
// Bodies are pulled. pull_body() is a credit for one chunk; the codec then calls on_..._body() once, or on_..._end().
// pull_body() may deliver before it returns: make it the last thing a function does. No chunk is delivered without
// credit, so memory per exchange is bounded by what one chunk holds. A codec never calls on_..._body with an empty
// chunk. The end takes a credit like a chunk, with one exception: on_response_end of an empty body follows
// on_response_head at once.
//
// All on the worker's thread.

#include <cstdint>
#include <string_view>

#include "base/arena.h"
#include "base/cause.h"
#include "base/result.h"
#include "http/message.h"
#include "net/address.h"
#include "net/buffer.h"
#include "net/loop.h"

namespace sluice::http {

// ---- tunnels
// -------------------------------------------------------------------------------------------------------

// What the gateway hears of one end of a tunnel: of what an exchange becomes when both sides have switched protocols.
// The same rules of credit as for bodies hold.
class TunnelEvents {
 public:
  virtual void on_bytes(net::Buffer bytes) = 0;  // as they came, never empty
  virtual void on_end() = 0;                     // that side will send no more; sending to it still works
  virtual void on_room() = 0;                    // after want_room(): what was sent has left
  virtual void on_failed(Error error) = 0;       // that side is gone; no other event follows, and close() is due

 protected:
  ~TunnelEvents() = default;
};

// One end of a tunnel, offered by a codec when a half is switched. Not an exchange's half: there are no messages any
// more, and the arena of the exchange is gone.
class TunnelEnd {
 public:
  enum class Goodbye : std::uint8_t { flush, reset };

  virtual void pull() = 0;
  virtual void send(net::Buffer bytes) = 0;
  virtual void send(std::string_view bytes) = 0;  // copies
  virtual void finish() = 0;                      // after what was sent: that was all. Receiving goes on
  virtual std::size_t unsent_bytes() const = 0;
  virtual void want_room() = 0;
  // Ends it, in the right way after what was sent, or so that nobody takes it for the right way. No event follows, and
  // the end is gone.
  virtual void close(Goodbye how) = 0;
  // On the wire of that side, the heads of the exchange included; received ones when they are handed on.
  virtual std::uint64_t sent_bytes() const = 0;
  virtual std::uint64_t received_bytes() const = 0;

 protected:
  ~TunnelEnd() = default;
};

// ---- the client's side
// -------------------------------------------------------------------------------------------------

// What the gateway hears of the client. One object per exchange.
class ClientEvents {
 public:
  virtual void on_request_body(net::Buffer bytes) = 0;
  virtual void on_request_end(const FieldList& trailers) = 0;  // trailers: sanitised, without framing fields
  virtual void on_client_room() = 0;                           // after want_room(): what was sent has left
  // The client is gone (reset, half-closed is not gone), too slow, or broke the body's framing. No other event follows;
  // the half stays valid until abort(). `refusal.cause` says which; an answer may still be sent with send_head when
  // `can_answer()`.
  virtual void on_client_failed(Refusal refusal) = 0;

 protected:
  ~ClientEvents() = default;
};

// The client's half of one exchange, offered by a server codec.
class ClientHalf {
 public:
  // Lives as long as the exchange, and stays readable until the call that ended it has returned to the loop.
  virtual Arena& arena() = 0;
  virtual const net::Address& peer() const = 0;
  // Of the connection; null when it is in the clear.
  virtual const net::Security* security() const { return nullptr; }
  // When the first byte of this request arrived (for pipelined requests: when its turn came).
  virtual Instant started_at() const = 0;

  virtual void pull_body() = 0;
  virtual bool can_answer() const = 0;  // no byte of the final head was sent and the client is there

  virtual void send_continue() = 0;                         // 100
  virtual void send_interim(const ResponseHead& head) = 0;  // 102, 103: only what follows from an upstream
  // Final head. `head.body` empty: the answer is complete with send_end(). Values were checked by the caller's
  // FieldList; the codec refuses CR, LF and NUL all the same (S26): then it aborts, which ends the exchange, and
  // returns false. True when the client is gone: what follows is swallowed until send_end() or abort().
  virtual bool send_head(const ResponseHead& head) = 0;
  // Accepts the WebSocket that the request asked for (`head` has status 101). The exchange is over here, and the end
  // that is returned brings what the client sends from then on, and what it had sent already. Null when the head must
  // not be written, or the client is gone: then the exchange is over all the same.
  virtual TunnelEnd* send_switch(const ResponseHead&, TunnelEvents&) {
    abort();  // a codec that brings no such request need not know of it
    return nullptr;
  }
  virtual void send_body(net::Buffer bytes) = 0;
  virtual void send_body(std::string_view bytes) = 0;  // copies: small, gateway-made bodies
  // The answer is complete and so is the exchange: the gateway may not touch the half again. What is left of the
  // request body is dropped within bounds or the connection closed after the answer, whichever framing allows.
  virtual void send_end(const FieldList* trailers) = 0;
  // The answer cannot be completed: the client must not take it for a whole one. Ends the exchange like send_end().
  virtual void abort() = 0;
  // Asks that the connection be closed after this answer (drain, refused request).
  virtual void close_after() = 0;

  virtual std::size_t unsent_bytes() const = 0;
  virtual void want_room() = 0;                      // on_client_room() once unsent_bytes() is 0
  virtual std::uint64_t received_bytes() const = 0;  // of this request on the wire, head included
  virtual std::uint64_t sent_bytes() const = 0;      // of this answer on the wire

 protected:
  ~ClientHalf() = default;
};

// What a request that has no canonical form leaves behind for its log line.
struct RefusedRequest {
  Refusal refusal;
  std::string_view method;  // as far as it was read; raw bytes, to be escaped
  std::string_view target;
  bool is_http2 = false;
};

// The gateway as the server codecs see it. One per worker and listener.
class Waist {
 public:
  // A request's head is there. Returns who hears the rest. May call the half at once; may even complete the exchange
  // before it returns: then it returns null.
  virtual ClientEvents* begin(ClientHalf& half, const Request& request) = 0;
  // A request that could not be read. The waist answers (always completing the exchange before it returns).
  virtual void refuse(ClientHalf& half, const RefusedRequest& refused) = 0;
  // `ticket`: what the connection was given with. May be called inside send_end() and abort().
  virtual void on_connection_closed(std::uint32_t ticket) = 0;
  // True while draining: codecs end connections when they are idle and add Connection: close to answers.
  virtual bool is_draining() const = 0;
  virtual net::Loop& loop() = 0;

 protected:
  ~Waist() = default;
};

// ---- the upstream's side
// -----------------------------------------------------------------------------------------------

// What the gateway hears of the upstream. One object per attempt.
class UpstreamEvents {
 public:
  virtual void on_interim(const ResponseHead& head) = 0;        // 1xx but 101; 100 comes here too
  // Valid until the half is released. With status 101, which comes only when the request asked for it, the half waits
  // for switch_protocols() or cancel().
  virtual void on_response_head(const ResponseHead& head) = 0;
  virtual void on_response_body(net::Buffer bytes) = 0;
  virtual void on_response_end(
      const FieldList& trailers) = 0;  // then the half is gone: the connection is the pool's again
  virtual void on_upstream_room() = 0;
  // The attempt failed; the half is gone. error.retryable: nothing of the response was seen, and either nothing of the
  // request was sent or the connection had been idle before (the peer may have closed it while the request was under
  // way).
  virtual void on_upstream_failed(Error error) = 0;

 protected:
  ~UpstreamEvents() = default;
};

// The upstream's half of one attempt, offered by a client codec.
class UpstreamHalf {
 public:
  virtual void send_body(net::Buffer bytes) = 0;
  virtual void send_end(const FieldList* trailers) = 0;  // the request is complete
  virtual void pull_body() = 0;
  virtual std::size_t unsent_bytes() const = 0;
  virtual void want_room() = 0;
  // Gives the attempt up. No event follows. The connection is closed, its state is in doubt (I3); its owner hears it
  // inside this call or when the event in which it was made has returned.
  virtual void cancel() = 0;
  // Inside on_response_head() with status 101: the half is gone and the connection is the tunnel's until its end.
  // Null from a codec that never accepts one, and so never brings that status.
  virtual TunnelEnd* switch_protocols(TunnelEvents&) { return nullptr; }
  virtual std::uint64_t sent_bytes() const = 0;
  virtual std::uint64_t received_bytes() const = 0;

 protected:
  ~UpstreamHalf() = default;
};

class UpstreamConnection;

// Who owns upstream connections: the pool. Each call is the last thing a connection does, so it may be deleted in all
// of them and started anew in on_connected and on_idle.
class UpstreamConnectionOwner {
 public:
  virtual void on_connected(UpstreamConnection& connection) = 0;
  virtual void on_connect_failed(UpstreamConnection& connection, Error error) = 0;
  // The exchange is over and the connection may carry another (I3 holds), or may not.
  virtual void on_idle(UpstreamConnection& connection) = 0;
  virtual void on_unusable(UpstreamConnection& connection) = 0;  // to be deleted by the owner, in this call

 protected:
  ~UpstreamConnectionOwner() = default;
};

// A connection to one endpoint. HTTP/1: at most one exchange at a time.
class UpstreamConnection {
 public:
  virtual ~UpstreamConnection() = default;
  // HTTP/2: many exchanges share it. on_idle() comes when the last one in progress has ended.
  virtual bool is_shared() const { return false; }
  // How many more exchanges it takes now, when shared.
  virtual std::uint32_t room() const { return 0; }
  // Starts an attempt: writes the head (method, framing, Host generated) and, when head.body is empty, completes the
  // request. Response views live in `arena`. Only when connected and idle. No event comes inside this call: a head that
  // must not be written (S26) fails later, malformed/gateway. A shared connection: when it has room().
  virtual UpstreamHalf& start(const RequestHead& head, Arena& arena, UpstreamEvents& events) = 0;
};

}  // namespace sluice::http
