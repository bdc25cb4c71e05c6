#pragma once
// What came of upgrades: a memory file that the supervisor holds, a line for each. `sluice upgrade` finds it among the
// supervisor's descriptors, which whoever may send it a signal may read, and waits there for the next line. So nothing
// listens, and the supervisor waits for nobody.

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "control/descriptor.h"

namespace sluice::control {

// The supervisor's end.
class UpgradeOutcomes {
 public:
  UpgradeOutcomes() : UpgradeOutcomes(Descriptor()) {}
  // Goes on with a file that was handed over, or makes a new one when there is none. Without memory for one nothing is
  // noted, and `sluice upgrade` says to look at the log.
  explicit UpgradeOutcomes(Descriptor file);

  void note(bool is_done, std::string_view text);
  int descriptor() const { return file_.number(); }

 private:
  Descriptor file_;
};

// The command's end.
class UpgradeWatch {
 public:
  struct Outcome {
    bool is_done = false;
    std::string text;  // what it is now, or why it failed
  };
  // Absent when the process has no such file: an older binary's.
  static std::optional<UpgradeWatch> open(pid_t supervisor);
  // The first outcome since open(); absent as long as there is none.
  std::optional<Outcome> look() const;

 private:
  UpgradeWatch(Descriptor file, std::size_t seen) : file_(std::move(file)), seen_(seen) {}

  Descriptor file_;
  std::size_t seen_;  // bytes that were there at open()
};

}  // namespace sluice::control
