#pragma once
// Watches the frames of one direction of a WebSocket go by (RFC 6455 section 5.2): reads their headers, never their
// payload, counts, and says where a frame breaks a rule or a limit. Changes no byte and keeps none, but for a header
// that is not complete: so a frame that must not pass is stopped before its first byte, and what has passed always ends
// between two frames or inside a payload.
//   cost  a few nanoseconds a frame; 100 bytes of memory

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/cause.h"
#include "base/counter.h"
#include "base/time.h"

namespace sluice::http::websocket {

// Counts of one direction over all WebSockets of a worker.
struct FrameCounts {
  static constexpr std::size_t kinds = 6;
  static constexpr std::array<std::string_view, kinds> names{"continuation", "text", "binary", "close", "ping", "pong"};
  std::array<Counter, kinds> frames;
};

// So many in `per`, spread over it, as many at once. 0: any number.
struct Allowance {
  std::uint64_t count = 0;
  Duration per = std::chrono::seconds(1);
  bool operator==(const Allowance&) const = default;
};

// What the frames of one direction may do.
struct FrameLimits {
  std::uint64_t message_bytes = 0;  // of a message's payload on the wire, all frames together. 0: any
  Allowance messages;               // a fragment of less than 126 bytes counts as a message
  Allowance controls;               // close, ping and pong frames
  bool operator==(const FrameLimits&) const = default;
};

class FrameMeter {
 public:
  // `is_masked`: whether frames of this direction must be (a client's) or must not be (a server's).
  explicit FrameMeter(bool is_masked) : is_masked_(is_masked) {}

  // What of some received bytes may go on: first the header bytes that were kept before, when `sends_kept`; then
  // `passed` bytes of the input. With a breach the rest must not: its cause is not null.
  struct Passage {
    bool sends_kept = false;
    std::size_t passed = 0;
    Refusal breach{nullptr};
  };
  // `ends_at_frame`: nothing may pass behind the end of the frame that has begun.
  Passage pass(std::string_view bytes, const FrameLimits& limits, FrameCounts& counts, Instant now, bool ends_at_frame);
  // The bytes that the last pass() let go with `sends_kept`.
  std::string_view kept() const { return {kept_.data(), kept_bytes_}; }

  // What has passed ends between two frames: another frame may follow.
  bool is_between_frames() const { return payload_left_ == 0; }
  bool has_closed() const { return has_closed_; }  // a Close frame has passed
  std::uint64_t messages() const { return messages_; }  // that are complete

 private:
  // How far an allowance is used up: the time at which it would be whole again (GCRA).
  using Spent = Instant;
  static bool spend(const Allowance& allowance, Spent& spent, Instant now);

  std::size_t header_bytes() const;
  Refusal judge(const FrameLimits& limits, FrameCounts& counts, Instant now);
  Refusal judge_data(const FrameLimits& limits, Instant now, unsigned opcode, bool is_final, std::uint64_t length);
  std::uint64_t payload_bytes() const;

  std::uint64_t payload_left_ = 0;   // of the frame that has begun
  std::uint64_t message_bytes_ = 0;  // of the message that has begun
  std::uint64_t messages_ = 0;
  Spent messages_spent_{}, controls_spent_{};
  std::array<char, 14> header_{}, kept_{};
  std::uint8_t header_size_ = 0;  // read so far
  std::uint8_t kept_bytes_ = 0;
  bool is_masked_;
  bool is_in_message_ = false;  // fragments are still to come
  bool has_closed_ = false;
};

// A Close frame without a reason. `mask`: random, for a frame to a server; none for one to a client.
struct CloseFrame {
  std::array<char, 8> bytes;
  std::uint8_t size;
  std::string_view view() const { return {bytes.data(), size}; }
};
CloseFrame close_to_client(std::uint16_t code);
CloseFrame close_to_server(std::uint16_t code, std::uint32_t mask);

}  // namespace sluice::http::websocket
