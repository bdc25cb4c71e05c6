#include "base/random.h"

#include <sys/random.h>

namespace sluice {

std::uint64_t kernel_random() {
  std::uint64_t value = 0;
  // Eight bytes are never returned in part (getrandom(2)); only a signal before the first seeding can interrupt.
  while (getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value)) {
  }
  return value;
}

}  // namespace sluice
