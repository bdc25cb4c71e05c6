#pragma once
// A text as an anonymous file in memory, to be handed to another process or kept over exec. It cannot be changed any
// more by anybody.

#include <optional>
#include <string>
#include <string_view>

#include "control/descriptor.h"

namespace sluice::control {

// An empty Descriptor when the system refuses.
Descriptor make_memory_file(const char* name, std::string_view text);
// The whole text, whoever has read before. Absent when it is longer than `most_bytes` or cannot be read.
std::optional<std::string> read_memory_file(int descriptor, std::size_t most_bytes);

}  // namespace sluice::control
