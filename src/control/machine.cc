#include "control/machine.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace sluice::control {

namespace {

std::uint64_t physical_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return gateway::Machine{}.memory_bytes;
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
}

// Absent when the group has none ("max"), or there is no such group.
std::optional<std::uint64_t> limit_of(const std::filesystem::path& group) {
  std::ifstream file(group / "memory.max");
  std::uint64_t bytes = 0;
  if (file >> bytes) return bytes;
  return std::nullopt;
}

std::uint64_t group_memory(std::uint64_t least) {
  const std::filesystem::path root = "/sys/fs/cgroup";
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::/")) continue;  // version 1 has other numbers
    for (std::filesystem::path group = root / line.substr(4);; group = group.parent_path()) {
      if (const auto limit = limit_of(group)) least = std::min(least, *limit);
      if (group == root || !group.has_relative_path()) break;
    }
  }
  return least;
}

}  // namespace

gateway::Machine read_machine() {
  gateway::Machine machine;
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) machine.descriptors = files.rlim_cur;
  machine.memory_bytes = group_memory(physical_memory());
  return machine;
}

}  // namespace sluice::control
