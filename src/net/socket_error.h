#pragma once
// What the kernel's error numbers mean to the house.

#include "base/result.h"

namespace sluice::net {

// For a stream's failure; `side` is upstream (the owner of the stream knows better), or gateway when this process ran
// out of something. Cost: a switch.
Error error_of(int number);

// For opening sockets: unavailable (in use), denied, unreachable (not our address), exhausted, unsupported.
Error setup_error_of(int number);

}  // namespace sluice::net
