#include "control/socket_source.h"

namespace sluice::control {

std::expected<std::vector<net::ListenSocket>, std::string> open_sockets(const SocketWish& wish) {
  net::Address address = wish.address;
  if (wish.sharing == net::Sharing::shared) {
    // All workers share the port by SO_REUSEPORT, and so could a stranger with our user id: ask for it alone first.
    const auto alone = net::listen_on(address, net::Sharing::alone);
    if (!alone) return std::unexpected(alone.error().what);
    address = net::bound_address(*alone).value_or(address);
  }
  std::vector<net::ListenSocket> sockets;
  while (sockets.size() < wish.count) {
    auto socket = net::listen_on(address, wish.sharing);
    if (!socket) return std::unexpected(socket.error().what);
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

}  // namespace sluice::control
