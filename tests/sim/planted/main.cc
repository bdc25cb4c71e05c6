// sluice_sim_planted: for each planted bug, plays seeds until one shows it. Fails when a bug stays hidden, or when
// something is found where nothing was planted.
//
//   sluice_sim_planted [--seeds N] [NAME...]     N: how many a bug may take (default 5000)
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../run.h"
#include "bugs.h"

int sluice::planted_bug = 0;

namespace sluice::sim {
namespace {

// What the child tells, also when it dies.
struct Report {
  std::uint64_t seed;
  bool is_found;
  char violation[160];
};

void search(int bug, std::uint64_t seeds, Report& report) {
  planted_bug = bug;
  for (report.seed = 1; report.seed <= seeds; ++report.seed) {
    const Outcome outcome = run(generate(report.seed));
    if (outcome.violations.empty()) continue;
    std::snprintf(report.violation, sizeof report.violation, "%s", outcome.violations[0].c_str());
    report.is_found = true;
    return;
  }
}

// In a process of its own: some bugs kill it.
bool is_found(int bug, std::uint64_t seeds, Report& report) {
  report = {};
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    search(bug, seeds, report);
    _exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return false;
  if (WIFSIGNALED(status)) {
    std::snprintf(report.violation, sizeof report.violation, "the process died of signal %d", WTERMSIG(status));
    report.is_found = true;
  }
  return report.is_found;
}

bool is_wanted(const std::vector<std::string>& names, const char* name) {
  for (const std::string& wanted : names)
    if (wanted == name) return true;
  return names.empty();
}

}  // namespace
}  // namespace sluice::sim

int main(int count, char** words) {
  using namespace sluice::sim;
  std::uint64_t seeds = 5'000;
  std::vector<std::string> names;
  for (int i = 1; i < count; ++i) {
    if (std::string(words[i]) == "--seeds" && i + 1 < count)
      seeds = std::strtoull(words[++i], nullptr, 10);
    else
      names.emplace_back(words[i]);
  }
  void* const shared = mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 2;
  Report& report = *static_cast<Report*>(shared);
  int hidden = 0, number = 0, looked_for = 0;
  if (is_found(0, 100, report)) {
    std::printf("nothing planted, and yet seed %lu: %s\n", report.seed, report.violation);
    ++hidden;
  }
  for (const PlantedBug& bug : planted_bugs()) {
    ++number;
    if (!is_wanted(names, bug.name)) continue;
    ++looked_for;
    if (!bug.is_planted) {
      ++hidden;
      std::printf("LOST   %-29s its text is not in %s any more: plant it anew (bugs.py)\n", bug.name, bug.file);
    } else if (is_found(number, seeds, report)) {
      std::printf("found %-30s by seed %-4lu %s\n", bug.name, report.seed, report.violation);
    } else {
      ++hidden;
      std::printf("HIDDEN %-29s in %lu seeds: %s\n", bug.name, seeds, bug.what);
    }
  }
  std::printf("%d planted bugs, %d hidden\n", looked_for, hidden);
  return hidden == 0 && looked_for > 0 ? 0 : 1;
}
