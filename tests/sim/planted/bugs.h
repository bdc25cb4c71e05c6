#pragma once
// The bugs that bugs.py plants, by number from 1.

#include <array>
#include <span>

namespace sluice {
extern int planted_bug;  // the one that is in force; 0: none
inline bool is_planted(int bug) { return bug == planted_bug; }
}  // namespace sluice

namespace sluice::sim {

struct PlantedBug {
  const char* name;
  const char* what;
  const char* file;
  bool is_planted;  // false: its text is not in the file any more
};
std::span<const PlantedBug> planted_bugs();

}  // namespace sluice::sim
