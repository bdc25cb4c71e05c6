// Listening sockets: made by the control thread, before any loop sees them.
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "net/loop.h"
#include "net/socket_error.h"

namespace sluice::net {
namespace {

void enable(int descriptor, int level, int option) {
  const int one = 1;
  (void)setsockopt(descriptor, level, option, &one, sizeof one);  // options every kernel we run on knows
}

}  // namespace

ListenSocket::~ListenSocket() {
  if (descriptor_ < 0) return;
  if (owner_ != nullptr) {
    owner_->close(descriptor_);
  } else {
    ::close(descriptor_);
  }
}

Result<ListenSocket> listen_on(const Address& address, Sharing sharing, int backlog) {
  sockaddr_storage storage{};
  const socklen_t length = address.to_sockaddr(storage);
  ListenSocket listening(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int descriptor = listening.descriptor();
  if (descriptor < 0) return std::unexpected(setup_error_of(errno));
  enable(descriptor, SOL_SOCKET, SO_REUSEADDR);
  if (sharing == Sharing::shared) enable(descriptor, SOL_SOCKET, SO_REUSEPORT);
  enable(descriptor, IPPROTO_TCP, TCP_NODELAY);  // accepted sockets inherit it
  if (storage.ss_family == AF_INET6) enable(descriptor, IPPROTO_IPV6, IPV6_V6ONLY);
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&storage), length) != 0 ||
      ::listen(descriptor, backlog) != 0) {
    return std::unexpected(setup_error_of(errno));
  }
  return listening;
}

Result<Address> bound_address(const ListenSocket& socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(socket.descriptor(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return std::unexpected(setup_error_of(errno));
  }
  return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage));
}

}  // namespace sluice::net
