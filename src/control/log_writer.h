#pragma once
// Carries log lines from the workers' rings to a file, stdout or stderr, on a thread of its own. A sink that blocks or
// fails never holds up a worker: the rings fill, further lines are dropped and counted, and writing goes on by itself
// once the sink takes bytes again (reliability rows R22, R23). Not a formatter: rings hold finished lines.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/byte_ring.h"
#include "base/time.h"

namespace sluice::control {

// Summed over the rings. All but is_failing only grow.
struct LogWriterStats {
  std::uint64_t lines_written = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t lines_dropped = 0;  // a ring was full, or shutdown ended the wait for the sink
  std::uint64_t write_errors = 0;   // failed attempts to open or write; not those that would have blocked
  bool is_failing = false;          // the last attempt failed
};

class LogWriter {
 public:
  static constexpr Duration poll_interval = std::chrono::milliseconds(20);       // an idle ring is looked at this often
  static constexpr Duration busy_interval = std::chrono::milliseconds(2);        // a busy one
  static constexpr Duration retry_interval = std::chrono::milliseconds(250);     // after a failed open or write
  static constexpr Duration most_flush_time = std::chrono::milliseconds(2'000);  // at shutdown

  LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  ~LogWriter();  // stop()

  // A ring for one worker to write into; lives as long as the writer. Before start() only.
  ByteRing& add_ring(std::size_t capacity_bytes = ByteRing::default_capacity_bytes);

  // Where lines go from now on: "stdout", "stderr", "off" (lines are thrown away) or the path of a file, which is
  // opened by the caller: created with mode 0640, appended to, never through a symbolic link. A FIFO may lack a reader;
  // the writer waits for one. Returns what is wrong when the file cannot be opened; the sink before then stays. Control
  // thread; may wait for a disk.
  std::optional<std::string> use(std::string_view to);

  void start();
  // Closes the file and opens its path again, on the writer's thread: after log rotation. A line cut by an earlier
  // short write is finished in the old file where that is possible. Any thread; safe in a signal handler.
  void reopen();
  LogWriterStats stats() const;  // any thread
  // Writes what the rings hold, for at most most_flush_time, and ends the thread. No worker may write any more. A
  // thread that hangs in a system call (a dead network disk) is left behind.
  void stop();

 private:
  struct Core;
  const std::shared_ptr<Core> core_;  // shared with the thread, so that one left behind finds its memory
  std::thread thread_;
};

}  // namespace sluice::control
