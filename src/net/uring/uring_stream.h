#pragma once
// A socket on io_uring. Small messages: one multishot receive stays armed for the stream's life, sends are submitted
// with the loop's wait. Large bodies: poll and plain recv into one hot block, because a ring of blocks leaves the
// cache. The socket is a blocking one (the kernel waits by itself); plain calls pass MSG_DONTWAIT.

#include <linux/io_uring.h>

#include "net/socket_stream.h"

namespace sluice::net {

class UringLoop;

class UringStream final : public SocketStream {
 public:
  // The low bits of an operation's user data; the rest is the object's address. Zero: of no interest.
  enum class Operation : std::uint8_t { none, receive, poll, send, connect, watch, mailbox, alarm };

  // Into and out of plain reads. Entering takes a cancel and what the kernel had received by then comes in small
  // blocks, so a stream that carries large bodies stays there until several small reads follow each other.
  static constexpr std::uint64_t bulk_from_bytes = 64 << 10;  // expected
  static constexpr int full_blocks_to_bulk = 4;               // in a row, when nobody told what to expect
  static constexpr int small_reads_to_multishot = 4;          // in a row
  static constexpr std::size_t bulk_block_bytes = 256 << 10;
  static constexpr int bulk_reads_per_turn = 8;
  static constexpr std::size_t most_held_piece = 64 << 10;
  // Smaller output is submitted with the wait, which is cheaper when many streams write in one turn (10 % at 64 busy
  // connections) and no dearer when one does.
  static constexpr std::size_t plain_send_from_bytes = 16 << 10;

  explicit UringStream(UringLoop& loop);
  ~UringStream() override;

  void connect(const Address& to, StreamHandler& handler);
  void adopt(int descriptor, const Address& peer);
  void on_completion(Operation operation, int result, unsigned flags);

  void expect_bytes(std::uint64_t bytes) override;
  std::size_t untouched_bytes() const override;
  void flush() override;
  void continue_reading() override;
  bool is_still() const override { return operations_ == 0; }

 private:
  void start(int descriptor);
  void wake_reading() override;
  void close_descriptor() override;
  void close_when_still();

  void submit_receive();
  void submit_poll();
  void submit_send(bool is_blocked);
  io_uring_sqe& submit(Operation operation, std::uint8_t opcode);
  void cancel_receive();
  std::uint64_t tag(Operation operation) const;

  void on_received(int result, unsigned flags);
  void take_or_hold(Buffer bytes);
  void hold(std::string_view bytes);
  void enter_bulk();
  void on_sent(int result);
  void read_bulk();

  UringLoop& uring_;
  SegmentQueue held_;              // received while paused, in order
  std::size_t sending_bytes_ = 0;  // of the send in the kernel
  int file_ = -1;                  // place in the ring's table, or -1
  std::uint8_t operations_ = 0;    // in the kernel, one bit an Operation
  std::uint8_t full_blocks_ = 0;
  std::uint8_t small_reads_ = 0;
  bool is_cancelling_receive_ = false;
  bool is_bulk_ = false;
  bool has_held_end_ = false;
};

}  // namespace sluice::net
