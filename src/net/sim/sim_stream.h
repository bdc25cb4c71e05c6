#pragma once
// A connection of the simulated network, as a stream. What it does about output, goodbyes and callbacks is
// SocketStream's, the same code as under the kernel's backends.

#include "net/socket_stream.h"

namespace sluice::net::sim {

class SimLoop;

class SimStream final : public SocketStream {
 public:
  explicit SimStream(SimLoop& loop);
  ~SimStream() override;

  void connect(const Address& to, StreamHandler& handler);
  void adopt(int descriptor, const Address& peer);
  void on_event();
  int descriptor() const { return descriptor_; }

  void flush() override;
  void continue_reading() override;
  bool is_still() const override { return true; }
  std::size_t unacknowledged_bytes() const override;

 private:
  static constexpr int most_reads = 8;  // in a row, then the other streams have their turn

  void wake_reading() override;
  void close_descriptor() override;
  void shut_down_writing() override;
  void reset_when_closed() override { is_reset_wanted_ = true; }
  void finish_connecting();
  void read_block();

  SimLoop& sim_;
  bool is_readable_ = false;  // an event said so, and no read has found the end of it
  bool is_blocked_ = false;   // the network took less than offered; an event follows
  bool is_reset_wanted_ = false;
};

}  // namespace sluice::net::sim
