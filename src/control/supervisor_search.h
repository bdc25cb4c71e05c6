#pragma once
// Finds out whether a process is a supervisor of ours, before it is sent a signal.

#include <sys/types.h>

#include <optional>
#include <string>

namespace sluice::control {

std::optional<pid_t> read_pid_file(const std::string& path);
// Absent when it is one; else what it is instead, and what to do.
std::optional<std::string> doubt_supervisor(pid_t pid);

}  // namespace sluice::control
