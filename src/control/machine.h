#pragma once
// What the system lets this process use.

#include "gateway/limits.h"

namespace sluice::control {

// The soft limit of file descriptors; memory of the machine, or of the control group (version 2) or one around it, when
// that is less.
gateway::Machine read_machine();

}  // namespace sluice::control
