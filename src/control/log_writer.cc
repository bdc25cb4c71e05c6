#include "control/log_writer.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/counter.h"
#include "control/log_sink.h"

namespace sluice::control {
namespace {

constexpr std::size_t busy_bytes = 64 * 1024;  // written in one turn: the rings are filling fast
constexpr int most_writes_per_turn = 256;      // then requests to stop or reopen are looked at
constexpr std::size_t most_parts = 128;        // of one writev

// By memchr: lines are long, and a count byte by byte would be the dearest part of writing them.
std::uint64_t count_lines(std::string_view text) {
  std::uint64_t lines = 0;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', end + 1)) ++lines;
  return lines;
}

}  // namespace

struct LogWriter::Core {
  enum class Turn : std::uint8_t { idle, busy, blocked, failed };
  // Runs of bytes for one writev, and the ring of each. What a ring gains meanwhile is no part of it.
  struct Batch {
    std::array<iovec, most_parts> parts;
    std::array<std::size_t, most_parts> ring_of;
    std::size_t count = 0;
  };

  Core() : wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Core() {
    if (wake >= 0) ::close(wake);
  }
  void run();

  // ---- the thread's own
  void flush();
  void obey_requests();
  void leave_sink();
  Turn write_turn();
  void gather(Batch& batch);
  void consume(const Batch& batch, std::size_t bytes);
  void account(ByteRing& ring, std::string_view done);
  void drop_everything();
  void sleep(Turn turn);

  std::vector<std::unique_ptr<ByteRing>> rings;  // does not change once the thread runs
  LogSink sink;
  std::size_t first_ring = 0;  // whose bytes come next: the ring of a line that is only partly written
  bool is_mid_line = false;

  // ---- shared
  const int wake;  // eventfd
  std::atomic<bool> is_stop_wanted{false};
  std::atomic<bool> is_reopen_wanted{false};
  std::mutex mutex;
  std::condition_variable ended;
  std::optional<LogSink> next_sink;  // guarded by mutex
  bool has_ended = false;            // guarded by mutex

  Counter lines_written;
  Counter bytes_written;
  Counter lines_lost;  // at shutdown, or the rest of a line that could not be finished
  Counter write_errors;
  std::atomic<bool> is_failing{false};
};

void LogWriter::Core::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // SIGPIPE too: a reader that has gone is an error like others
  while (!is_stop_wanted.load(std::memory_order_acquire)) {
    obey_requests();
    sleep(write_turn());
  }
  flush();
  const std::scoped_lock lock(mutex);
  has_ended = true;
  ended.notify_all();
}

// A sink that fails is given up at once: a full disk will not empty while we exit. One that blocks may have a slow
// reader.
void LogWriter::Core::flush() {
  obey_requests();
  const Instant deadline = read_steady_clock() + most_flush_time;
  for (Turn turn = write_turn(); turn != Turn::idle && turn != Turn::failed; turn = write_turn()) {
    if (read_steady_clock() >= deadline) break;
    if (turn == Turn::blocked) sleep(turn);
  }
  drop_everything();
}

void LogWriter::Core::obey_requests() {
  std::optional<LogSink> next;
  {
    const std::scoped_lock lock(mutex);
    next = std::exchange(next_sink, std::nullopt);
  }
  if (next) {
    leave_sink();
    sink = std::move(*next);
  }
  if (is_reopen_wanted.exchange(false, std::memory_order_acq_rel)) {
    leave_sink();
    if (!sink.reopen()) write_errors.add();
  }
}

// The rest of a line belongs where its beginning went. Where that takes no more, the rest is lost rather than put
// elsewhere.
void LogWriter::Core::leave_sink() {
  if (!is_mid_line) return;
  ByteRing& ring = *rings[first_ring];
  const std::string_view text = ring.peek()[0];  // a record is contiguous: the line's end is in the first run
  std::string_view rest = text.substr(0, text.find('\n') + 1);
  while (!rest.empty()) {
    const iovec part{.iov_base = const_cast<char*>(rest.data()), .iov_len = rest.size()};
    const LogSink::Written written = sink.write({&part, 1});
    if (written.outcome != LogSink::Outcome::wrote) break;
    account(ring, rest.substr(0, written.bytes));
    rest.remove_prefix(written.bytes);
  }
  ring.consume(rest.size());
  if (!rest.empty()) lines_lost.add();
  is_mid_line = false;
}

LogWriter::Core::Turn LogWriter::Core::write_turn() {
  Batch batch;
  std::size_t written_bytes = 0;
  for (int i = 0; i < most_writes_per_turn; ++i) {
    gather(batch);
    if (batch.count == 0) return written_bytes >= busy_bytes ? Turn::busy : Turn::idle;
    const LogSink::Written written = sink.write(std::span(batch.parts).first(batch.count));
    const bool has_failed = written.outcome == LogSink::Outcome::failed;
    is_failing.store(has_failed, std::memory_order_relaxed);
    if (has_failed) write_errors.add();
    if (written.outcome != LogSink::Outcome::wrote) return has_failed ? Turn::failed : Turn::blocked;
    consume(batch, written.bytes);
    written_bytes += written.bytes;
  }
  return Turn::busy;
}

// What all rings hold, the unfinished line's first. Rings beyond most_parts / 2 wait for the next call.
void LogWriter::Core::gather(Batch& batch) {
  batch.count = 0;
  for (std::size_t i = 0; i < rings.size() && batch.count + 2 <= most_parts; ++i) {
    const std::size_t ring = (first_ring + i) % rings.size();
    for (const std::string_view part : rings[ring]->peek()) {
      if (part.empty()) continue;
      batch.parts[batch.count] = {.iov_base = const_cast<char*>(part.data()), .iov_len = part.size()};
      batch.ring_of[batch.count++] = ring;
    }
  }
}

void LogWriter::Core::consume(const Batch& batch, std::size_t bytes) {
  for (std::size_t i = 0; i < batch.count && bytes > 0; ++i) {
    const std::string_view part(static_cast<const char*>(batch.parts[i].iov_base), batch.parts[i].iov_len);
    const std::string_view done = part.substr(0, bytes);
    account(*rings[batch.ring_of[i]], done);
    bytes -= done.size();
    first_ring = is_mid_line ? batch.ring_of[i] : (batch.ring_of[i] + 1) % rings.size();
  }
}

// `done`, at the front of `ring`, has been written.
void LogWriter::Core::account(ByteRing& ring, std::string_view done) {
  lines_written.add(count_lines(done));
  bytes_written.add(done.size());
  is_mid_line = done.back() != '\n';
  ring.consume(done.size());
}

void LogWriter::Core::drop_everything() {
  for (const auto& ring : rings) {
    const auto [first, second] = ring->peek();
    lines_lost.add(count_lines(first) + count_lines(second));
    ring->consume(first.size() + second.size());
  }
}

void LogWriter::Core::sleep(Turn turn) {
  const Duration most = turn == Turn::failed ? retry_interval : turn == Turn::busy ? busy_interval : poll_interval;
  std::array<pollfd, 2> watched{
      {{.fd = wake, .events = POLLIN, .revents = 0},
       {.fd = turn == Turn::blocked ? sink.descriptor() : -1, .events = POLLOUT, .revents = 0}}};
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(most).count();
  (void)::poll(watched.data(), watched.size(),
               static_cast<int>(milliseconds));  // whatever it says, we look at everything
  std::uint64_t count = 0;
  (void)!::read(wake, &count, sizeof count);  // only to reset it
}

// ---- LogWriter

LogWriter::LogWriter() : core_(std::make_shared<Core>()) {}
LogWriter::~LogWriter() { stop(); }

ByteRing& LogWriter::add_ring(std::size_t capacity_bytes) {
  return *core_->rings.emplace_back(std::make_unique<ByteRing>(capacity_bytes));
}

std::optional<std::string> LogWriter::use(std::string_view to) {
  auto sink = LogSink::open(to);
  if (!sink) return std::move(sink.error());
  const std::scoped_lock lock(core_->mutex);
  core_->next_sink = std::move(*sink);
  (void)::eventfd_write(core_->wake, 1);  // fails only when a wake-up is already due
  return std::nullopt;
}

void LogWriter::start() {
  thread_ = std::thread([core = core_] { core->run(); });
  (void)::pthread_setname_np(thread_.native_handle(), "sluice-log");  // for whoever reads `top`
}

void LogWriter::reopen() {
  core_->is_reopen_wanted.store(true, std::memory_order_release);
  (void)::eventfd_write(core_->wake, 1);  // fails only when a wake-up is already due
}

LogWriterStats LogWriter::stats() const {
  LogWriterStats stats{.lines_written = core_->lines_written.value(),
                       .bytes_written = core_->bytes_written.value(),
                       .lines_dropped = core_->lines_lost.value(),
                       .write_errors = core_->write_errors.value(),
                       .is_failing = core_->is_failing.load(std::memory_order_relaxed)};
  for (const auto& ring : core_->rings) stats.lines_dropped += ring->dropped_records();
  return stats;
}

void LogWriter::stop() {
  if (!thread_.joinable()) return;
  core_->is_stop_wanted.store(true, std::memory_order_release);
  (void)::eventfd_write(core_->wake, 1);  // fails only when a wake-up is already due
  std::unique_lock lock(core_->mutex);
  constexpr Duration grace = std::chrono::milliseconds(500);
  const bool has_ended = core_->ended.wait_for(lock, most_flush_time + grace, [&] { return core_->has_ended; });
  lock.unlock();
  has_ended ? thread_.join() : thread_.detach();
}

}  // namespace sluice::control
