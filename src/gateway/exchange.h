#pragma once
// The exchange driver: one request with its response, from its first byte to its log line. A state machine with few
// states; it sees both sides and knows no protocol. Pooled by its worker; on the worker's thread.
//
//   connecting -> relaying -> over     (with a WebSocket, a Tunnel goes on)
//       ^            |
//       +--- retry --+      (only before a byte of the body or of the response was moved)

#include <array>
#include <cstdint>

#include "gateway/access_log.h"
#include "gateway/decide.h"
#include "gateway/event_stream.h"
#include "gateway/kept_body.h"
#include "gateway/plan_slots.h"
#include "http/exchange.h"
#include "net/timer.h"
#include "policy/exchange.h"
#include "upstream/pool.h"

namespace sluice::gateway {

class Worker;

// Of the type text/event-stream, and without a length.
bool is_event_stream(const http::ResponseHead& head);

class Exchange final : private http::ClientEvents, private http::UpstreamEvents, private upstream::AttemptEvents {
 public:
  explicit Exchange(Worker& worker);

  // Runs the request that `half` brought. Null when the exchange is over before this returns.
  http::ClientEvents* begin(const ListenerPlan& listener, PlanSlots::Pin plan, http::ClientHalf& half,
                            const http::Request& request);
  // Answers a request that has no canonical form. The exchange is over when this returns.
  void refuse(const ListenerPlan& listener, PlanSlots::Pin plan, http::ClientHalf& half,
              const http::RefusedRequest& refused);

  void let_plan_go() { plan_.release(); }
  // The exchange goes on without its plan when that is not `current` any more and nothing is left to be decided: a
  // response may last for days.
  void outlive_plan(const Plan& current);
  void on_stream_changed() { arm_timer(); }  // EventStream's
  Exchange* next_free = nullptr;  // of the worker's list

 private:
  enum class State : std::uint8_t { over, deciding, connecting, relaying };
  // ---- http::ClientEvents
  void on_request_body(net::Buffer bytes) override;
  void on_request_end(const http::FieldList& trailers) override;
  void on_client_room() override;
  void on_client_failed(Refusal refusal) override;
  // ---- upstream::AttemptEvents
  void on_connection(http::UpstreamConnection& connection, bool is_reused) override;
  void on_no_connection(Error error) override;
  // ---- http::UpstreamEvents
  void on_interim(const http::ResponseHead& head) override;
  void on_response_head(const http::ResponseHead& head) override;
  void on_response_body(net::Buffer bytes) override;
  void on_response_end(const http::FieldList& trailers) override;
  void on_upstream_room() override;
  void on_upstream_failed(Error error) override;

  void start(const ListenerPlan& listener, PlanSlots::Pin plan, http::ClientHalf& half);
  const char* why_shed() const;
  bool is_misdirected() const;
  policy::Facts facts_of(const http::Request& request) const;

  // ---- attempts
  void connect(upstream::Wanted wanted);
  bool pick_endpoint();
  bool begin_retry(bool is_counted);
  void start_request_body();
  void repeat_request_body();
  bool is_full(std::size_t unsent_bytes) const {
    return unsent_bytes > (planless_ ? planless_->buffer_bytes : plan_->limits.exchange_buffer_bytes);
  }
  void end_attempt(upstream::Outcome outcome, const char* what);
  bool may_retry(const Error& error) const;
  const char* why_not_retried(const Error& error) const;

  // ---- deadlines
  void on_timer();
  void arm_timer();
  using Deadline = EventStream::Deadline;
  Deadline next_deadline() const;
  bool has_deadline() const { return decision_.target->timeouts.request.count() > 0 || deadline_ != Instant::max(); }
  bool is_request_moving();

  // ---- answering and ending
  void answer(const Cause& cause, const char* detail);  // problem+json, or cuts the client when it is too late for that
  void send_made_reply();                               // what stands in view_.made_reply()
  void give_up_for_memory();                            // it holds more for a slow side than there is
  void give_up_upstream(upstream::Outcome outcome, const char* what);
  // How an exchange ends at the client: with a whole answer, cut, or already ended by the codec.
  enum class End : std::uint8_t { complete, cut, ended };
  // Back to the worker's list: touch nothing after.
  void finish(End end, const http::FieldList* trailers = nullptr);
  // Of a message, when they may be passed on: the client asked for trailers, so it knows what to do with them (S24).
  const http::FieldList* passed(const http::FieldList& trailers) const {
    return view_.request().wants_trailers && trailers.size() > 0 ? &trailers : nullptr;
  }
  // finish.cc: counters, and the log line.
  void record(End end);
  void log(Duration duration, std::uint64_t received, std::uint64_t sent);
  using IpText = std::array<char, net::Address::most_ip_bytes>;
  AccessRecord describe(Duration duration, std::uint64_t received, std::uint64_t sent, IpText& client);

  // ---- exchange_streams.cc
  void begin_event_stream();
  void end_event_stream(const Cause& cause);
  void let_go_of_plan();
  void forget_stream();

  // ---- exchange_upgrade.cc
  void open_tunnel();
  void record_upgrade(std::uint64_t received, std::uint64_t sent);

  // What it needs of its plan once it has let that go.
  struct Planless {
    std::string listener, route, upstream;
    std::shared_ptr<RouteStats> stats;
    std::shared_ptr<upstream::Endpoint> endpoint;
    upstream::Timeouts timeouts;
    std::size_t buffer_bytes;
    std::uint64_t generation;
    std::uint32_t listener_number;
    bool is_logged;
  };

  Worker& worker_;
  PlanSlots::Pin plan_;
  std::unique_ptr<Planless> planless_;    // nearly always null
  std::unique_ptr<EventStream> stream_;  // with planless_
  const ListenerPlan* listener_ = nullptr;
  http::ClientHalf* client_ = nullptr;
  http::UpstreamHalf* upstream_ = nullptr;
  upstream::Attempt attempt_;
  upstream::Endpoint* endpoint_ = nullptr;  // of the attempt in progress
  upstream::Tried tried_;
  policy::Exchange view_;
  Decision decision_;
  http::ResponseHead response_;
  KeptBody kept_body_;
  http::FieldList request_trailers_;
  net::Timer timer_;

  const Cause* cause_ = nullptr;
  const char* detail_ = "";
  Instant deadline_ = Instant::max();  // of a gRPC client
  Instant begun_at_{}, attempt_at_{}, request_done_at_{}, moved_at_{}, first_byte_at_{};
  std::uint64_t request_body_bytes_ = 0;
  std::uint64_t taken_by_upstream_ = 0;             // bytes of the request that had left when it was last looked
  std::int64_t connect_us_ = AccessRecord::absent;  // of the last attempt that needed a new connection
  std::array<AccessAttempt, most_logged_attempts> attempts_{};
  std::string_view last_endpoint_;  // of the attempt that ended last
  std::string_view tls_version_;    // of the client's connection, static text; empty: it is in the clear
  std::uint8_t attempt_count_ = 0;
  int status_ = 0;
  State state_ = State::over;
  bool is_in_begin_ = false;
  bool is_request_done_ = false;     // the whole request was handed to the upstream's codec
  bool is_body_begun_ = false;       // the request body is being pulled: no retry any more, unless it is kept
  bool is_head_sent_ = false;        // the client has the final head
  bool waits_for_client_ = false;    // the response is not pulled: the client takes no more just now
  bool waits_for_upstream_ = false;  // the request body is not pulled: the upstream takes no more just now
  bool was_reused_ = false;
  bool has_retried_stale_ = false;
  bool is_in_budget_ = false;    // the attempt in progress is a retry that its upstream's budget counts
  const char* retry_note_ = "";  // why a retry was, or was not, made
  bool is_grpc_ = false;
  std::uint8_t grpc_status_ = 0;  // of its answer
};

}  // namespace sluice::gateway
