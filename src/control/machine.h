#pragma once
// What the system lets this process use.

#include <optional>
#include <string>

#include "gateway/limits.h"

namespace sluice::control {

// The soft limit of file descriptors; memory of the machine, or of the control group (version 2) or one around it, when
// that is less.
gateway::Machine read_machine();

// The soft limit of file descriptors becomes the hard one. Before read_machine().
void raise_descriptor_limit();

// What is wrong when `caps` connections and their exchanges may need more descriptors than there are, with the remedy.
std::optional<std::string> doubt_descriptors(const gateway::Machine& machine, const gateway::ConnectionCaps& caps);

}  // namespace sluice::control
