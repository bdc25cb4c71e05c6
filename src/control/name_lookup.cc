#include "control/name_lookup.h"

#include <netdb.h>
#include <sys/socket.h>

#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace sluice::control {

// Outlives the loop for a lookup that is still waiting then.
struct NameLookup::Shared {
  std::mutex mutex;
  net::Loop* loop;  // guarded by mutex; null once the owner is gone
};

namespace {

std::expected<net::Address, std::string> look_up(const std::string& host, std::uint16_t port) {
  const addrinfo hints{.ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  const int fault = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (fault != 0) return std::unexpected(std::string("no such host: ") + ::gai_strerror(fault));
  net::Address address = net::Address::from_sockaddr(found->ai_addr);
  ::freeaddrinfo(found);
  address.port = port;
  return address;
}

}  // namespace

NameLookup::NameLookup(net::Loop& loop) : shared_(std::make_shared<Shared>()) { shared_->loop = &loop; }

NameLookup::~NameLookup() {
  const std::lock_guard guard(shared_->mutex);
  shared_->loop = nullptr;
}

void NameLookup::start(const std::string& host, std::uint16_t port, Done done) {
  if (auto address = net::Address::parse_ip(host)) {
    address->port = port;
    return done(*address);
  }
  try {
    std::thread([shared = shared_, host, port, done = std::move(done)]() mutable {
      auto found = look_up(host, port);
      const std::lock_guard guard(shared->mutex);
      if (shared->loop == nullptr) return;
      shared->loop->post([done = std::move(done), found = std::move(found)]() mutable { done(std::move(found)); });
    }).detach();
  } catch (const std::system_error&) {  // no thread can be had: `done` is gone with it, and its owner's time will end
  }
}

}  // namespace sluice::control
