#include "control/socket_store.h"

#include <algorithm>

namespace sluice::control {

std::expected<const SocketStore::Entry*, std::string> SocketStore::want(int process, const SocketWish& wish) {
  auto entry = std::ranges::find_if(
      entries_, [&](const Entry& one) { return one.key == wish.key && one.sharing == wish.sharing; });
  if (entry == entries_.end()) {
    auto opened = open_sockets(wish);
    if (!opened) return std::unexpected(std::move(opened.error()));
    const net::Address bound = net::bound_address(opened->front()).value_or(wish.address);
    entry = entries_.insert(
        entries_.end(),
        {.key = wish.key, .sharing = wish.sharing, .address = bound, .sockets = std::move(*opened), .wanted_by = {}});
  }
  while (entry->sockets.size() < wish.count) {  // an upgrade that has more workers
    auto socket = net::listen_on(entry->address, wish.sharing);
    if (!socket) return std::unexpected(socket.error().what);
    entry->sockets.push_back(std::move(*socket));
  }
  entry->wanted_by.insert(process);
  return &*entry;
}

void SocketStore::release(int process, const std::string& key) {
  for (Entry& entry : entries_)
    if (entry.key == key) entry.wanted_by.erase(process);
  std::erase_if(entries_, [&](const Entry& entry) { return entry.key == key && entry.wanted_by.empty(); });
}

void SocketStore::forget(int process) {
  for (Entry& entry : entries_) entry.wanted_by.erase(process);
}

void SocketStore::close_unwanted() {
  std::erase_if(entries_, [](const Entry& entry) { return entry.wanted_by.empty(); });
}

}  // namespace sluice::control
