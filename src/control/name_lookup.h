#pragma once
// Host names to addresses by the system's own resolver (getaddrinfo(3): /etc/hosts, DNS, whatever nsswitch.conf says),
// for what the gateway itself asks now and then. It waits, so each lookup has a thread of its own; what it finds is
// posted to the loop.

#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "net/address.h"
#include "net/loop.h"

namespace sluice::control {

class NameLookup {
 public:
  using Done = std::move_only_function<void(std::expected<net::Address, std::string>)>;

  explicit NameLookup(net::Loop& loop);
  ~NameLookup();  // nobody hears of what is found from then on
  NameLookup(const NameLookup&) = delete;

  // The first address of `host`, with that port. `done` runs on the loop's thread, in this call for an address that is
  // written out. There is no limit on time: whoever asks has one.
  //   errors  as text: "no such host: Name or service not known"
  void start(const std::string& host, std::uint16_t port, Done done);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace sluice::control
