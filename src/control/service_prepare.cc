#include <fmt/format.h>

#include <algorithm>

#include "control/journal.h"
#include "control/service.h"

namespace sluice::control {

std::optional<Service::Prepared> Service::prepare(const gateway::RootConfig& config) {
  Prepared prepared{.sockets = Sockets(workers_.size()), .listeners = {}, .admin = {}, .opened = {}};
  if (prepare_into(config, prepared)) return prepared;
  sockets_->release(prepared.opened);
  return std::nullopt;
}

bool Service::prepare_into(const gateway::RootConfig& config, Prepared& prepared) {
  for (const gateway::ListenerConfig& listener : config.listeners) {
    const auto same = std::ranges::find_if(listeners_, [&](const OpenListener& open) {
      return gateway::is_same_listener(open.name, open.configured, *listener.name, listener.bind.address);
    });
    if (same != listeners_.end()) {
      prepared.listeners.push_back(*same);
      prepared.listeners.back().name = *listener.name;
    } else if (!open_listener(listener, prepared)) {
      return false;
    }
  }
  const bool is_admin_new = admin_ == nullptr || config.admin.bind.address != admin_configured_;
  if (is_admin_new && !open_admin(config.admin.bind, prepared)) return false;
  // Last, for it is the one step that takes effect at once.
  return use_log(config.access_log.to);
}

// At the start the addresses may still belong to a process that is ending: it is given a moment.
std::expected<std::vector<net::ListenSocket>, std::string> Service::open_patiently(const SocketWish& wish) const {
  constexpr int most_tries = 20;
  constexpr auto pause = std::chrono::milliseconds(50);
  auto sockets = sockets_->open(wish);
  for (int tries = 1; !sockets && plan_ == nullptr && tries < most_tries; ++tries) {
    std::this_thread::sleep_for(pause);
    sockets = sockets_->open(wish);
  }
  return sockets;
}

bool Service::open_listener(const gateway::ListenerConfig& listener, Prepared& prepared) const {
  const auto fail = [&](std::string_view why) {
    const bool is_ours =
        std::ranges::any_of(listeners_,
                            [&](const OpenListener& open) { return open.bound.port == listener.bind.address.port; }) ||
        admin_bound_.port == listener.bind.address.port;
    say(Level::error,
        fmt::format("listener {} cannot bind {}: {}{}", *listener.name, listener.bind.text, why,
                    is_ours && admin_ != nullptr ? "; a listener of the running config holds that port: change "
                                                   "it in two steps, or restart"
                                                 : ""));
    return false;
  };
  const std::string key = socket_key(*listener.name, listener.bind.address);
  auto opened = open_patiently({.key = key, .address = listener.bind.address, .count = options_.workers});
  if (!opened) return fail(opened.error());
  const net::Address bound = net::bound_address(opened->front()).value_or(listener.bind.address);
  prepared.opened.push_back(key);
  // More sockets than workers when the last process had more: none may be left without somebody who accepts.
  for (std::size_t i = 0; i < opened->size(); ++i)
    prepared.sockets[i % prepared.sockets.size()].push_back(
        {.listener = *listener.name, .socket = std::move((*opened)[i])});
  prepared.listeners.push_back(
      {.name = *listener.name, .configured = listener.bind.address, .bound = bound, .key = key});
  return true;
}

bool Service::open_admin(const gateway::BindAddress& bind, Prepared& prepared) const {
  const std::string key = socket_key("admin", bind.address);
  auto opened = open_patiently({.key = key, .address = bind.address, .sharing = net::Sharing::alone});
  if (!opened) {
    say(Level::error, fmt::format("the admin listener cannot bind {}: {}", bind.text, opened.error()));
    return false;
  }
  prepared.opened.push_back(key);
  prepared.admin.emplace(std::move(opened->front()));
  return true;
}

// Before the workers let go of theirs: a connection made meanwhile would find nobody.
void Service::release_removed(const Prepared& prepared) {
  std::vector<std::string> removed;
  for (const OpenListener& old : listeners_)
    if (std::ranges::find(prepared.listeners, old.key, &OpenListener::key) == prepared.listeners.end())
      removed.push_back(old.key);
  if (prepared.admin && generation_ > 0) removed.push_back(socket_key("admin", admin_configured_));
  sockets_->release(removed);
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
