// Which backend a worker gets.
#include "net/epoll/epoll_loop.h"
#include "net/uring/uring_loop.h"

namespace sluice::net {

Result<std::unique_ptr<Loop>> make_loop(LoopKind kind) {
  return kind == LoopKind::epoll ? EpollLoop::make() : UringLoop::make();
}

bool uring_works() { return UringLoop::make().has_value(); }

}  // namespace sluice::net
