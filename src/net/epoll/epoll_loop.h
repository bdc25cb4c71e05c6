#pragma once
// The loop on epoll: for kernels and containers that refuse io_uring, and as good as any for large bodies.

#include <sys/epoll.h>

#include <array>

#include "net/epoll/epoll_stream.h"
#include "net/socket_loop.h"
#include "net/stream_pool.h"

namespace sluice::net {

class EpollLoop final : public SocketLoop {
 public:
  static Result<std::unique_ptr<Loop>> make();
  ~EpollLoop() override;

  StreamPtr connect(const Address& to, StreamHandler& handler) override;
  void run() override;
  LoopKind kind() const override { return LoopKind::epoll; }

  int descriptor() const { return descriptor_; }
  StreamPtr adopt(int descriptor, const Address& peer) override;
  void watch(SocketAcceptor& acceptor, bool wanted) override;
  void forget(SocketAcceptor& acceptor) override;
  int accept_flags() const override;

 private:
  explicit EpollLoop(int descriptor);
  void recycle(SocketStream& stream) override { streams_.give_back(static_cast<EpollStream&>(stream)); }
  void handle(const epoll_event& event);

  int descriptor_;
  std::array<epoll_event, 256> events_;
  int event_count_ = 0;
  StreamPool<EpollStream, EpollLoop> streams_;
};

}  // namespace sluice::net
