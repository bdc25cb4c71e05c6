// Which backend a worker gets.
#include "net/epoll/epoll_loop.h"
#include "net/uring/uring_loop.h"

namespace sluice::net {

Result<std::unique_ptr<Loop>> make_loop(LoopKind kind) {
  switch (kind) {
    case LoopKind::epoll:
      return EpollLoop::make();
    case LoopKind::uring:
      return UringLoop::make();
    case LoopKind::sim:
      break;
  }
  return fail(Code::unsupported, Side::gateway, "the simulator is no part of the gateway");
}

bool uring_works() { return UringLoop::make().has_value(); }

}  // namespace sluice::net
