#pragma once
// Where the gateway process has its listening sockets from: the system, or the supervisor that keeps them over restarts
// and upgrades.

#include <expected>
#include <span>
#include <string>
#include <vector>

#include "net/loop.h"

namespace sluice::control {

struct SocketWish {
  std::string key;  // no blank in it; names the sockets over restarts and upgrades
  net::Address address;
  unsigned count = 1;  // at least so many; more when there are more of them already
  net::Sharing sharing = net::Sharing::shared;
};

class SocketSource {
 public:
  virtual ~SocketSource() = default;
  // errors: why not, for the user.
  virtual std::expected<std::vector<net::ListenSocket>, std::string> open(const SocketWish& wish) = 0;
  // When it returns nobody but the caller has these open: what it closes is closed.
  virtual void release(std::span<const std::string> keys) = 0;
};

// Opens what is wished for.
std::expected<std::vector<net::ListenSocket>, std::string> open_sockets(const SocketWish& wish);

// The system itself, without supervisor.
class OwnSockets final : public SocketSource {
 public:
  std::expected<std::vector<net::ListenSocket>, std::string> open(const SocketWish& wish) override {
    return open_sockets(wish);
  }
  void release(std::span<const std::string>) override {}
};

}  // namespace sluice::control
