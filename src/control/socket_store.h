#pragma once
// The listening sockets that the supervisor keeps, by key, and which gateway processes want them. A duplicate here
// keeps a socket and the queue of connections behind it alive while no gateway process runs.

#include <expected>
#include <set>
#include <string>
#include <vector>

#include "control/socket_source.h"

namespace sluice::control {

class SocketStore {
 public:
  struct Entry {
    std::string key;
    net::Sharing sharing;
    net::Address address;  // as bound
    std::vector<net::ListenSocket> sockets;
    std::set<int> wanted_by;  // process ids
  };

  // The sockets of that key, opened when they are not there yet, at least `wish.count`. They are wanted by `process`
  // from now on. The pointer lives until the next call.
  std::expected<const Entry*, std::string> want(int process, const SocketWish& wish);
  void release(int process, const std::string& key);  // closes what nobody wants any more
  // The process is gone. Its sockets stay, for the next one.
  void forget(int process);
  // A process serves: what no process wants is closed.
  void close_unwanted();

  const std::vector<Entry>& entries() const { return entries_; }
  void adopt(Entry entry) { entries_.push_back(std::move(entry)); }  // from the supervisor before exec

 private:
  std::vector<Entry> entries_;
};

}  // namespace sluice::control
