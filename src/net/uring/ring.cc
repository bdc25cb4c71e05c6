#include "net/uring/ring.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice::net {
namespace {

constexpr unsigned most_files = 1 << 16;

long setup(unsigned entries, io_uring_params* parameters) { return syscall(__NR_io_uring_setup, entries, parameters); }

long do_register(int ring, unsigned operation, const void* argument, unsigned count) {
  return syscall(__NR_io_uring_register, ring, operation, argument, count);
}

std::unexpected<Error> refused(const char* step) { return fail(Code::unsupported, Side::gateway, step); }

template <class T>
T* at(char* base, unsigned offset) {
  return reinterpret_cast<T*>(base + offset);
}

}  // namespace

Ring::~Ring() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (entries_ != nullptr) munmap(entries_, submission_entries * sizeof(io_uring_sqe));
  if (rings_ != nullptr) munmap(rings_, rings_bytes_);
}

Result<int> Ring::open() {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
                     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
  parameters.cq_entries = completion_entries;
  descriptor_ = static_cast<int>(setup(submission_entries, &parameters));
  if (descriptor_ < 0) {
    if (errno == ENOSYS) return refused("io_uring_setup: this kernel has no io_uring");
    if (errno == EPERM) return refused("io_uring_setup: forbidden by kernel.io_uring_disabled or a seccomp rule");
    if (errno == EINVAL) return refused("io_uring_setup: a flag is unknown, kernel 6.1 or newer is needed");
    return refused("io_uring_setup: out of descriptors or memory");
  }
  enter_descriptor_ = descriptor_;
  constexpr unsigned features = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_CQE_SKIP;
  if ((parameters.features & features) != features) return refused("io_uring_setup: a needed feature is missing");
  SLUICE_TRY([[maybe_unused]] const int mapped, map(parameters));
  scratch_ = std::make_unique_for_overwrite<Scratch[]>(submission_entries);

  rlimit limit{};
  (void)getrlimit(RLIMIT_NOFILE, &limit);  // a table may not be larger than this
  io_uring_rsrc_register files{};
  files.nr = static_cast<unsigned>(std::min<rlim_t>(limit.rlim_cur, most_files));
  files.flags = IORING_RSRC_REGISTER_SPARSE;
  if (do_register(descriptor_, IORING_REGISTER_FILES2, &files, sizeof files) < 0) {
    return refused("io_uring_register: a sparse table of files");
  }
  free_files_.reserve(files.nr);
  for (unsigned place = files.nr; place > 0; --place) free_files_.push_back(static_cast<int>(place - 1));
  return descriptor_;
}

Result<int> Ring::map(const io_uring_params& parameters) {
  rings_bytes_ = std::max(parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned),
                          parameters.cq_off.cqes + parameters.cq_entries * sizeof(io_uring_cqe));
  constexpr int protection = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
  void* const rings = mmap(nullptr, rings_bytes_, protection, flags, descriptor_, IORING_OFF_SQ_RING);
  if (rings == MAP_FAILED) return refused("mmap of io_uring's queues");
  rings_ = static_cast<char*>(rings);
  void* const entries =
      mmap(nullptr, submission_entries * sizeof(io_uring_sqe), protection, flags, descriptor_, IORING_OFF_SQES);
  if (entries == MAP_FAILED) return refused("mmap of io_uring's submissions");
  entries_ = static_cast<io_uring_sqe*>(entries);

  submission_head_ = at<unsigned>(rings_, parameters.sq_off.head);
  submission_tail_ = at<unsigned>(rings_, parameters.sq_off.tail);
  submission_mask_ = *at<unsigned>(rings_, parameters.sq_off.ring_mask);
  completion_head_ = at<unsigned>(rings_, parameters.cq_off.head);
  completion_tail_ = at<unsigned>(rings_, parameters.cq_off.tail);
  completion_mask_ = *at<unsigned>(rings_, parameters.cq_off.ring_mask);
  completions_ = at<io_uring_cqe>(rings_, parameters.cq_off.cqes);
  auto* const order = at<unsigned>(rings_, parameters.sq_off.array);
  for (unsigned i = 0; i < parameters.sq_entries; ++i) order[i] = i;
  return 0;
}

void Ring::enable() {
  if (enter_flags_ != 0) return;
  enter_flags_ = IORING_ENTER_GETEVENTS;
  (void)do_register(descriptor_, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);  // fails only when enabled already
  io_uring_rsrc_update registration{};
  registration.offset = UINT32_MAX;  // any place
  registration.data = static_cast<std::uint64_t>(descriptor_);
  if (do_register(descriptor_, IORING_REGISTER_RING_FDS, &registration, 1) == 1) {
    enter_descriptor_ = static_cast<int>(registration.offset);
    enter_flags_ |= IORING_ENTER_REGISTERED_RING;
  }
}

io_uring_sqe& Ring::next() {
  if (tail_ - __atomic_load_n(submission_head_, __ATOMIC_ACQUIRE) == submission_entries) {
    enter(false);
    if (tail_ - __atomic_load_n(submission_head_, __ATOMIC_ACQUIRE) == submission_entries) return discarded_;
  }
  io_uring_sqe& submission = entries_[tail_++ & submission_mask_];
  std::memset(&submission, 0, sizeof submission);
  return submission;
}

void Ring::cancel(std::uint64_t user_data) {
  io_uring_sqe& submission = next();
  submission.opcode = IORING_OP_ASYNC_CANCEL;
  submission.flags = IOSQE_CQE_SKIP_SUCCESS;  // its own completion is of no interest
  submission.fd = -1;
  submission.addr = user_data;
}

void Ring::enter(bool waits) {
  if (enter_flags_ == 0) return;  // nobody has run the loop yet
  __atomic_store_n(submission_tail_, tail_, __ATOMIC_RELEASE);
  const unsigned waiting = tail_ - __atomic_load_n(submission_head_, __ATOMIC_ACQUIRE);
  // Errors need no answer here: a signal, or a full completion queue that the caller is about to drain.
  (void)syscall(__NR_io_uring_enter, enter_descriptor_, waiting, waits ? 1 : 0, enter_flags_, nullptr, std::size_t{0});
}

int Ring::add_file(int descriptor) {
  if (free_files_.empty() || !update_file(static_cast<unsigned>(free_files_.back()), descriptor)) return -1;
  const int place = free_files_.back();
  free_files_.pop_back();
  return place;
}

void Ring::remove_file(int place) {
  if (update_file(static_cast<unsigned>(place), -1)) free_files_.push_back(place);
}

bool Ring::update_file(unsigned place, int descriptor) {
  io_uring_files_update update{};
  update.offset = place;
  update.fds = reinterpret_cast<std::uint64_t>(&descriptor);
  return do_register(descriptor_, IORING_REGISTER_FILES_UPDATE, &update, 1) == 1;
}

}  // namespace sluice::net
