#pragma once
// Where another thread is: it is sent a signal, whose handler writes down the return addresses on its stack. The thread
// goes on as if nothing had been; a system call that it waits in may end early with EINTR.

#include <pthread.h>

#include <vector>

#include "base/time.h"

namespace sluice::control {

// Before the first probe_stack(), while no thread is in trouble: loads what the handler needs.
void prepare_stack_probe();

// Innermost first. Empty when the thread has not answered in time: it is stopped, or waits in the kernel for a device.
// One caller at a time.
std::vector<void*> probe_stack(pthread_t thread, Duration patience);

}  // namespace sluice::control
