#pragma once
// An open WebSocket: what an exchange becomes when both sides have switched protocols. Bytes go from one side to the
// other as they are; the frames are watched for limits, for counts, and for the places where a Close frame may be put
// in. Memory is small and bounded: this object, its log line's texts, and at most one buffer's worth for each side that
// reads slowly. It holds no plan. Deletes itself; on the worker's thread.

#include <cstdint>
#include <memory>

#include "gateway/kept_record.h"
#include "gateway/long_streams.h"
#include "http/exchange.h"
#include "http/websocket/frame_meter.h"
#include "net/timer.h"
#include "upstream/endpoint.h"

namespace sluice::gateway {

class Worker;

class Tunnel final : private LongStream {
 public:
  // While the sides are told that it ends: a frame that has begun may be finished for so long, then it is cut.
  static constexpr Duration close_patience = std::chrono::seconds(2);
  // After the client has sent FIN, for what the upstream still has to say.
  static constexpr Duration half_closed_patience = std::chrono::seconds(10);

  // What it takes over from its exchange.
  struct Opening {
    Admission admission;
    WebSocketTerms terms;
    std::size_t buffer_bytes;  // may wait for one side before the other is not read
    std::uint32_t listener_number;
    std::shared_ptr<upstream::Endpoint> endpoint;  // its attempt goes on until the tunnel ends
    std::unique_ptr<KeptRecord> record;            // null when nothing is logged
    Instant begun_at;
  };
  Tunnel(Worker& worker, Opening opening);
  Tunnel(const Tunnel&) = delete;

  // For the codecs, while they switch.
  http::TunnelEvents& client_events() { return client_; }
  http::TunnelEvents& upstream_events() { return upstream_; }
  // Both have switched. It may be over, and gone, when this returns. Without begin() it is the caller's to delete.
  void begin(http::TunnelEnd& client, http::TunnelEnd& upstream);

 private:
  struct Side final : http::TunnelEvents {
    Side(Tunnel& owner, bool is_client) : tunnel(owner), frames(is_client) {}
    void on_bytes(net::Buffer bytes) override { tunnel.relay(*this, std::move(bytes)); }
    void on_end() override { tunnel.on_end(*this); }
    void on_room() override { tunnel.on_room(*this); }
    void on_failed(Error error) override { tunnel.on_failed(*this, error); }

    Tunnel& tunnel;
    http::TunnelEnd* end = nullptr;
    http::websocket::FrameMeter frames;  // of what comes from here
    Instant blocked_since{};             // it takes no more, and the other side is not read; or zero
    bool has_ended = false;              // it has sent FIN
    bool knows_end = false;              // it was sent a Close frame, or needs none: nothing more is sent to it
  };

  Side& other(const Side& side) { return &side == &client_ ? upstream_ : client_; }
  bool is_client(const Side& side) const { return &side == &client_; }
  void relay(Side& from, net::Buffer bytes);
  void count(const Side& from, std::size_t bytes);
  void on_end(Side& side);
  void on_room(Side& side);
  void on_failed(Side& side, const Error& error);

  // LongStream
  void adopt(const Plan& plan, const ListenerPlan& listener, const RoutePlan& route) override;
  void end_soon(const StreamEnd& end, Duration after) override;

  void break_off(const Refusal& breach, bool is_from_client);
  void close(const StreamEnd& end, const char* detail = "");
  void tell_end_to(Side& to);
  void blame(const Cause& cause, const char* detail);
  // Whether each side is ended in the right way, or reset. Deletes this.
  void finish(bool is_client_whole, bool is_upstream_whole);
  void record();

  void arm_timer();
  void on_timer();
  Instant next_deadline() const;
  Instant send_deadline(const Side& side) const;

  Worker& worker_;
  Side client_{*this, true}, upstream_{*this, false};
  WebSocketTerms terms_;
  std::shared_ptr<upstream::Endpoint> endpoint_;
  std::unique_ptr<KeptRecord> record_;
  net::Timer timer_;
  const Cause* cause_ = nullptr;
  const char* detail_ = "";
  StreamEnd pending_end_{};  // due at end_at_
  std::uint16_t close_code_ = 0;
  Instant begun_at_, opened_at_, moved_at_, expires_at_;
  Instant end_at_ = Instant::max(), close_until_ = Instant::max(), half_closed_until_ = Instant::max();
  std::size_t buffer_bytes_;
  std::uint64_t received_before_ = 0, sent_before_ = 0;  // bytes of the client's that the opening has counted
  const std::uint32_t listener_number_;
  bool is_closing_ = false;
  bool* is_gone_ = nullptr;  // set while begin() is on the stack
};

}  // namespace sluice::gateway
