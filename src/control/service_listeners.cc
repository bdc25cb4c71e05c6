#include <fmt/format.h>

#include <algorithm>

#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

std::optional<Service::Sockets> Service::open_new_listeners(const gateway::RootConfig& config) {
  Sockets sockets(workers_.size());
  const auto before = listeners_;
  std::vector<OpenListener> after;
  for (const gateway::ListenerConfig& listener : config.listeners) {
    const auto same = std::ranges::find_if(before, [&](const OpenListener& open) {
      return open.name == *listener.name && open.configured == listener.bind.address;
    });
    if (same != before.end()) {
      after.push_back(*same);
    } else if (open_listener(listener, sockets)) {
      after.push_back(listeners_.back());
    } else {
      listeners_ = before;
      return std::nullopt;
    }
  }
  listeners_ = std::move(after);
  return sockets;
}

bool Service::open_listener(const gateway::ListenerConfig& listener, Sockets& sockets) {
  const auto fail = [&](const Error& error) {
    say(Level::error, fmt::format("listener {} cannot bind {}: {}", *listener.name, listener.bind.text, error.what));
    return false;
  };
  net::Address address = listener.bind.address;
  {
    // All workers share the port by SO_REUSEPORT, and so could a stranger with our user id: ask for it alone first.
    const auto alone = net::listen_on(address, net::Sharing::alone);
    if (!alone) return fail(alone.error());
    address = net::bound_address(*alone).value_or(address);
  }
  for (std::size_t worker = 0; worker < workers_.size(); ++worker) {
    auto socket = net::listen_on(address);
    if (!socket) return fail(socket.error());
    sockets[worker].push_back({.listener = *listener.name, .socket = std::move(*socket)});
  }
  listeners_.push_back({.name = *listener.name, .configured = listener.bind.address, .bound = address});
  return true;
}

}  // namespace sluice::control
