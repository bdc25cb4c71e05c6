#include "control/background.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace sluice::control {

namespace {

// sched_setattr(2), the first version. The C library has none yet, and the kernel's header cannot stand beside
// <sched.h>.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = SCHED_BATCH;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0, deadline_ns = 0, period_ns = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

void yield_to_all() {
  SchedulingAttributes attributes;
  // A worker that sleeps and wakes uses up its lead over this thread, and then waits for the clock's tick,
  // milliseconds; the lead is the greater the less this thread weighs.
  attributes.nice = 19;
  // Since Linux 6.12 the slice that is asked for: a thread of a shorter slice preempts one of a longer before its end.
  attributes.runtime_ns = 100'000'000;
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0u);
}

}  // namespace

void run_in_background(const std::function<void()>& work) {
  const auto run = [](void* given) -> void* {
    yield_to_all();
    (*static_cast<const std::function<void()>*>(given))();
    return nullptr;
  };
  pthread_t thread{};
  // std::thread would end the process where no thread is to be had.
  if (pthread_create(&thread, nullptr, run, const_cast<std::function<void()>*>(&work)) != 0) return work();
  pthread_join(thread, nullptr);
}

}  // namespace sluice::control
