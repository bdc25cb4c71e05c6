#include <fmt/format.h>

#include <algorithm>

#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

std::optional<Service::Prepared> Service::prepare(const gateway::RootConfig& config) {
  Prepared prepared{.sockets = Sockets(workers_.size()), .listeners = {}, .admin = {}};
  for (const gateway::ListenerConfig& listener : config.listeners) {
    const auto same = std::ranges::find_if(listeners_, [&](const OpenListener& open) {
      return gateway::is_same_listener(open.name, open.configured, *listener.name, listener.bind.address);
    });
    if (same != listeners_.end()) {
      prepared.listeners.push_back(*same);
      prepared.listeners.back().name = *listener.name;
    } else if (!open_listener(listener, prepared)) {
      return std::nullopt;
    }
  }
  const bool is_admin_new = admin_ == nullptr || config.admin.bind.address != admin_configured_;
  if (is_admin_new && !open_admin(config.admin.bind, prepared)) return std::nullopt;
  // Last, for it is the one step that takes effect at once.
  if (!use_log(config.access_log.to)) return std::nullopt;
  return prepared;
}

bool Service::open_listener(const gateway::ListenerConfig& listener, Prepared& prepared) const {
  const auto fail = [&](const Error& error) {
    const bool is_ours =
        std::ranges::any_of(listeners_,
                            [&](const OpenListener& open) { return open.bound.port == listener.bind.address.port; }) ||
        admin_bound_.port == listener.bind.address.port;
    say(Level::error,
        fmt::format("listener {} cannot bind {}: {}{}", *listener.name, listener.bind.text, error.what,
                    is_ours && admin_ != nullptr ? "; a listener of the running config holds that port: change "
                                                   "it in two steps, or restart"
                                                 : ""));
    return false;
  };
  net::Address address = listener.bind.address;
  {
    // All workers share the port by SO_REUSEPORT, and so could a stranger with our user id: ask for it alone first.
    const auto alone = net::listen_on(address, net::Sharing::alone);
    if (!alone) return fail(alone.error());
    address = net::bound_address(*alone).value_or(address);
  }
  for (auto& sockets : prepared.sockets) {
    auto socket = net::listen_on(address);
    if (!socket) return fail(socket.error());
    sockets.push_back({.listener = *listener.name, .socket = std::move(*socket)});
  }
  prepared.listeners.push_back({.name = *listener.name, .configured = listener.bind.address, .bound = address});
  return true;
}

bool Service::open_admin(const gateway::BindAddress& bind, Prepared& prepared) const {
  auto socket = net::listen_on(bind.address, net::Sharing::alone);
  if (!socket) {
    say(Level::error, fmt::format("the admin listener cannot bind {}: {}", bind.text, socket.error().what));
    return false;
  }
  prepared.admin.emplace(std::move(*socket));
  return true;
}

bool Service::use_log(const std::string& to) {
  if (to == log_target_) return true;
  if (const auto fault = log_.use(to)) {
    say(Level::error, fmt::format("access_log: {}", *fault));
    return false;
  }
  log_target_ = to;
  return true;
}

}  // namespace sluice::control
