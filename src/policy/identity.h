#pragma once
// Who is asking, as a policy of the stage `identify` has established it. Later policies, the log and the upstream see
// this and nothing of the credential. Made in the exchange's arena; on the worker's thread.

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "base/time.h"

namespace sluice::policy {

// A value of a claim. Other shapes of JSON (objects, lists of other things) count as missing.
using ClaimValue = std::variant<std::monostate, std::string_view, double, bool, std::span<const std::string_view>>;

// What a token says of its bearer, once its signature has been checked.
struct Claims {
  virtual ClaimValue find(std::span<const std::string_view> path) const = 0;

 protected:
  ~Claims() = default;
};

struct Identity {
  std::string_view consumer;  // "": the credential is good and belongs to no consumer
  std::string_view method;    // the kind of policy that established it: static text
  std::span<const std::string_view> groups;
  std::span<const std::string_view> scopes;
  const Claims* claims = nullptr;         // null: the credential makes none
  WallTime expires_at = WallTime::max();  // an open stream ends then
};

}  // namespace sluice::policy
