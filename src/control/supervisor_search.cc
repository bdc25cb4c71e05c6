#include "control/supervisor_search.h"

#include <fmt/format.h>
#include <signal.h>

#include <charconv>
#include <cstdint>
#include <fstream>

#include "control/channel.h"

namespace sluice::control {

std::optional<pid_t> read_pid_file(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  std::string_view text = line;
  long long number = 0;
  if (!take_number(text, 1, 1LL << 31, number)) return std::nullopt;
  return static_cast<pid_t>(number);
}

std::optional<std::string> doubt_supervisor(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  std::string name;
  std::uint64_t blocked = 0;
  pid_t parent = 0;
  if (!status) return fmt::format("there is no process {}", pid);
  for (std::string line; std::getline(status, line);) {
    const std::string_view value = std::string_view(line).substr(std::min(line.find('\t') + 1, line.size()));
    if (line.starts_with("Name:")) name = value;
    if (line.starts_with("PPid:")) std::from_chars(value.data(), value.data() + value.size(), parent);
    if (line.starts_with("SigBlk:")) std::from_chars(value.data(), value.data() + value.size(), blocked, 16);
  }
  if (name == "sluice-gateway")
    return fmt::format("process {} is a gateway process; its supervisor is process {}", pid, parent);
  // A supervisor waits for the signal, and so has blocked it.
  const bool waits = (blocked >> (SIGUSR2 - 1) & 1) != 0;
  if (!waits)
    return fmt::format("process {} ({}) does not wait for upgrades: it is no supervisor of sluice", pid, name);
  return std::nullopt;
}

}  // namespace sluice::control
