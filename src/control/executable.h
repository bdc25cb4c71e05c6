#pragma once
// Where this program lies on disk.

#include <string>
#include <string_view>

namespace sluice::control {

// The path that `name` (argv[0]) was found by, made absolute but with its links left as they are: who upgrades by
// turning a link means what it then leads to. The running file's own path when that cannot be told.
std::string executable_path(std::string_view name);

}  // namespace sluice::control
