#include "control/machine.h"

#include <fmt/format.h>
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

void raise_descriptor_limit() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max) return;
  files.rlim_cur = files.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &files);  // refused: what there is is told by read_machine()
}

std::optional<std::string> doubt_descriptors(const gateway::Machine& machine, const gateway::ConnectionCaps& caps) {
  // A client's connection, and one to an upstream for its exchange.
  const std::uint64_t needed = 2 * caps.all + gateway::Limits::reserved_descriptors;
  if (needed <= machine.descriptors) return std::nullopt;
  std::string text = fmt::format(
      "limits.max_connections: {} connections may need {} file descriptors, and the process may open {}: raise the "
      "hard "
      "limit (ulimit -Hn, LimitNOFILE= of systemd)",
      caps.all, needed, machine.descriptors);
  if (machine.descriptors > gateway::Limits::reserved_descriptors)
    text += fmt::format(", or lower max_connections to {}",
                        (machine.descriptors - gateway::Limits::reserved_descriptors) / 2);
  return text;
}

}  // namespace sluice::control
