#pragma once
// What a supervisor hands to the one it becomes by exec: a text in a memory file, one record a line. Descriptors are
// named by their numbers, which exec keeps.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/socket_store.h"
#include "control/supervision.h"

namespace sluice::control {

// Raised when an older supervisor's text cannot be read any more. A gateway process says which one its binary reads; a
// supervisor that writes another one stays the binary it is.
inline constexpr int supervisor_state_form = 1;

struct SupervisorState {
  struct ProcessChannel {
    int process;
    int descriptor;
  };
  SupervisionState supervision;
  std::vector<SocketStore::Entry> sockets;
  std::vector<ProcessChannel> channels;
  std::string executable;
  int outcomes = -1;  // the file of UpgradeOutcomes; -1: the former binary had none
};

// Writes what belongs to others: nothing is taken.
std::string write_state(const SupervisionState& supervision, const SocketStore& sockets,
                        const std::vector<SupervisorState::ProcessChannel>& channels, std::string_view executable,
                        int outcomes);
// Takes over every descriptor that the text names. Absent when the text is no state.
std::optional<SupervisorState> read_state(std::string_view text);

}  // namespace sluice::control
