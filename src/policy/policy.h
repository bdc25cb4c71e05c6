#pragma once
// The policy contract. A policy is a compiled filter on a route: immutable, shared by all workers, one plain function
// per direction. Adding a kind means adding a folder under policies/; see docs/write_a_policy.md.

#include <cstdint>

#include "policy/exchange.h"

namespace sluice::policy {

enum class Verdict : std::uint8_t {
  next,     // go on
  replied,  // exchange.reply() was called: the chain ends here
};

class Policy {
 public:
  virtual ~Policy() = default;
  virtual Verdict on_request(Exchange&) const { return Verdict::next; }
  // The chain in reverse, for every policy whose on_request ran, also when a later one replied.
  virtual void on_response(Exchange&) const {}
};

}  // namespace sluice::policy
