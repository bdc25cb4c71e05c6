#pragma once
// Work that may take long and is not urgent: the workers come first.

#include <functional>

namespace sluice::control {

// Runs `work` on a thread of its own, in what time other threads leave it, and returns when it is done. It never
// starves: of a core that is busy all the time it has about 1.5 percent. What the kernel does not know of is ignored.
// Cost: a thread. source: sched_setattr(2), sched(7)
void run_in_background(const std::function<void()>& work);

}  // namespace sluice::control
