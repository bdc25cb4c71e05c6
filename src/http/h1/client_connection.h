#pragma once
// One HTTP/1 connection to an endpoint: carries one exchange at a time and says afterwards whether it may carry another
// (security invariant I3: any doubt, and it may not). Not a pool, and it has no timeouts: its owner and the gateway
// have.
//
// A small state machine, driven by run() only, as ServerConnection. Belongs to its owner, who deletes it when told that
// it is unusable; every call to the owner is the last thing this object does. Only on the worker's thread.

#include <cstdint>
#include <optional>
#include <type_traits>

#include "http/exchange.h"
#include "http/h1/body_reader.h"
#include "http/h1/body_writer.h"
#include "http/h1/input_queue.h"
#include "http/h1/parser.h"
#include "http/h1/tunnel_stream.h"
#include "http/websocket/handshake.h"
#include "net/stream.h"

namespace sluice::http::h1 {

struct ClientSettings {
  HeadLimits head;  // of responses
};

class ClientConnection final : public UpstreamConnection,
                               private UpstreamHalf,
                               private net::StreamHandler,
                               private TunnelStream::Owner {
 public:
  // Starts connecting, in the clear or as `dial` does. The owner hears on_connected or on_connect_failed
  // (error.retryable) later. `settings` and `owner` must outlive this.
  ClientConnection(net::Loop& loop, const net::Address& to, const ClientSettings& settings,
                   UpstreamConnectionOwner& owner)
      : ClientConnection(
            loop, [&](net::StreamHandler& handler) { return loop.connect(to, handler); }, settings, owner) {}
  template <class Dial>
    requires std::is_invocable_r_v<net::StreamPtr, const Dial&, net::StreamHandler&>
  ClientConnection(net::Loop& loop, const Dial& dial, const ClientSettings& settings, UpstreamConnectionOwner& owner)
      : ClientConnection(loop, settings, owner) {
    stream_ = dial(*this);
  }
  ClientConnection(const ClientConnection&) = delete;
  ~ClientConnection() override = default;

  UpstreamHalf& start(const RequestHead& head, Arena& arena, UpstreamEvents& events) override;

  bool is_idle() const { return state_ == State::idle; }
  Instant opened_at() const { return opened_at_; }  // when the connect was started
  std::uint64_t served() const { return served_; }  // exchanges completed
  const net::Address& peer() const { return stream_->peer(); }

 private:
  ClientConnection(net::Loop& loop, const ClientSettings& settings, UpstreamConnectionOwner& owner);

  enum class State : std::uint8_t {
    connecting,
    idle,
    head,  // a request is under way, no final response head yet
    body,
    tunnel,  // tunnel_ has the stream
    over,    // the gateway was told all; only the owner is still to be
  };
  enum class Step : std::uint8_t { again, wait, idle, unusable, connect_failed, connected };

  // net::StreamHandler
  void on_connected() override;
  void on_data(net::Buffer bytes) override;
  void on_end() override;
  void on_drained() override;
  void on_failed(Error error) override;

  // UpstreamHalf
  void send_body(net::Buffer bytes) override;
  void send_end(const FieldList* trailers) override;
  void pull_body() override;
  std::size_t unsent_bytes() const override { return failure_ ? 0 : stream_->unsent_bytes(); }
  void want_room() override;
  void cancel() override;
  TunnelEnd* switch_protocols(TunnelEvents& events) override;
  std::uint64_t sent_bytes() const override { return head_sent_bytes_ + writer_.wire_bytes(); }
  std::uint64_t received_bytes() const override { return received_bytes_; }

  void on_tunnel_closed() override;

  bool is_busy() const { return state_ == State::head || state_ == State::body; }
  void write_head(const RequestHead& head);
  void doom(const char* what);

  void run();
  void follow_input();
  Step step();
  std::string_view wanted_accept() const;
  Step wait_connected();
  Step wait_idle() const;
  Step serve();
  Step read_head();
  Step take_head();
  Step read_body();
  Step end_exchange();
  Step input_ended();
  Step fail(Error error);

  net::Loop& loop_;
  const ClientSettings& settings_;
  UpstreamConnectionOwner& owner_;
  UpstreamEvents* events_ = nullptr;
  Arena* arena_ = nullptr;  // of the exchange
  ResponseParser parser_;
  BodyReader reader_;
  BodyWriter writer_;
  InputQueue input_;
  std::optional<Error> failure_;  // of the stream, or of what the gateway wanted to send
  Instant opened_at_;
  std::uint64_t served_ = 0;
  std::uint64_t head_sent_bytes_ = 0;
  std::uint64_t received_bytes_ = 0;
  std::uint32_t interim_responses_ = 0;
  Method method_ = Method::other;
  State state_ = State::connecting;
  bool is_running_ = false;
  bool is_connected_ = false;
  bool has_ended_ = false;  // the peer sent FIN
  bool is_paused_ = false;
  // Of the exchange in progress:
  bool has_sent_request_ = false;
  bool has_credit_ = false;
  bool is_room_wanted_ = false;
  bool has_room_ = false;
  bool asks_websocket_ = false;
  websocket::Accept accept_{};  // with asks_websocket_
  std::unique_ptr<TunnelStream> tunnel_;
  bool is_doomed_ = false;                                      // failure_ is ours: input no longer counts
  net::Stream::Goodbye goodbye_ = net::Stream::Goodbye::close;  // abort when an exchange was cut short
  net::StreamPtr stream_;                                       // last: the callbacks of its making find the rest
};

}  // namespace sluice::http::h1
