#pragma once
// The loop on io_uring: one system call per turn, whatever the number of small messages in it.

#include <memory>
#include <vector>

#include "net/socket_loop.h"
#include "net/stream_pool.h"
#include "net/uring/receive_blocks.h"
#include "net/uring/ring.h"
#include "net/uring/uring_stream.h"

namespace sluice::net {

class UringLoop final : public SocketLoop {
 public:
  static Result<std::unique_ptr<Loop>> make();
  ~UringLoop() override;

  StreamPtr connect(const Address& to, StreamHandler& handler) override;
  void run() override;
  LoopKind kind() const override { return LoopKind::uring; }

  Ring& ring() { return ring_; }
  ReceiveBlocks& receive_blocks() { return receive_blocks_; }
  StreamPtr adopt(int descriptor, const Address& peer) override;
  void watch(SocketAcceptor& acceptor, bool wanted) override;
  void forget(SocketAcceptor& acceptor) override;
  int accept_flags() const override;

 private:
  // A poll of one listening socket. Outlives its acceptor until the kernel has given the poll back.
  struct Watch {
    SocketAcceptor* acceptor;
    bool is_wanted = false;
    bool is_polling = false;
  };

  UringLoop() = default;
  void recycle(SocketStream& stream) override { streams_.give_back(static_cast<UringStream&>(stream)); }
  void handle(std::uint64_t user_data, int result, unsigned flags);
  void on_watch(Watch& watch);
  void watch_alarm();
  void submit_poll(int descriptor, std::uint64_t user_data);

  ReceiveBlocks receive_blocks_;  // outlives the ring, which the kernel writes by
  Ring ring_;
  std::vector<std::unique_ptr<Watch>> watches_;
  bool is_watching_mailbox_ = false;
  bool is_watching_alarm_ = false;
  StreamPool<UringStream, UringLoop> streams_;
};

}  // namespace sluice::net
