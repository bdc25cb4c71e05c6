#pragma once
// Causes that policies of the stage `identify` share. Which of them a client gets says no more than what it knows
// already: not whether a key belongs to somebody.

#include <array>

#include "base/cause.h"

namespace sluice::policy {

inline constexpr Cause credential_missing{
    "credential_missing", 401, Side::client, "credentials are needed",
    "The route lets in only who shows a credential, and the request has none. `WWW-Authenticate` says of what kind."};
inline constexpr Cause credential_refused{"credential_refused", 401, Side::client, "credentials are not good",
                                          "The credential is unknown, malformed, not valid yet or not any more, or "
                                          "there are several. The log's `detail` says "
                                          "which."};
inline constexpr std::array credential_causes{&credential_missing, &credential_refused};

}  // namespace sluice::policy
