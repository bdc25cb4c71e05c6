#pragma once
// A socket on epoll, edge-triggered: registered once, for everything, for as long as it lives.
// Steady state of a message: one epoll event, one recv (a short read means drained), one sendmsg.

#include "net/socket_stream.h"

namespace sluice::net {

class EpollLoop;

class EpollStream final : public SocketStream {
 public:
  // One receive takes at most a block: all of a 64 KiB message with its head, and still in the second-level cache from
  // recv to send. Only pages that bytes came into are ever touched.
  static constexpr std::size_t block_bytes = 256 << 10;
  static constexpr int reads_per_turn = 8;  // then the other streams have their turn

  explicit EpollStream(EpollLoop& loop);

  void connect(const Address& to, StreamHandler& handler);
  void adopt(int descriptor, const Address& peer);
  void on_events(std::uint32_t events);

  void flush() override;
  void continue_reading() override;
  bool is_still() const override { return true; }

 private:
  void wake_reading() override;
  void close_descriptor() override;
  void start(int descriptor);
  void finish_connecting(std::uint32_t events);
  void read_block();

  EpollLoop& epoll_;
  bool is_readable_ = false;  // an event said so, and no read has found the end of it
  bool has_hung_up_ = false;  // a FIN or an error stands behind the data: a short read does not mean drained
  bool is_blocked_ = false;   // the kernel took less than offered; an event follows
};

}  // namespace sluice::net
