#pragma once
// One place where log lines go: a file, a stream (pipe, socket, terminal) or nowhere. Never waits for a reader.
// Not a buffer: bytes it does not take stay with the caller.

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace sluice::control {

class LogSink {
 public:
  enum class Outcome : std::uint8_t { wrote, would_block, failed };
  struct Written {
    Outcome outcome;
    std::size_t bytes = 0;  // when it wrote
  };

  // Takes and throws away everything.
  LogSink() = default;
  LogSink(LogSink&& other) noexcept;
  LogSink& operator=(LogSink&& other) noexcept;
  ~LogSink();

  // `to` as in LogWriter::use(). Returns the sink or, in words, what is wrong and what to do.
  static std::expected<LogSink, std::string> open(std::string_view to);

  // Writes some of `parts` (not empty, at most IOV_MAX). Blocks only as long as a disk does. A stream takes at most
  // PIPE_BUF bytes at a time, whole lines where they fit, so that lines of several processes on one pipe do not mix.
  Written write(std::span<const iovec> parts);

  // Opens the path again, if there is one; when that fails returns false and goes on with the file it has.
  bool reopen();
  // To poll for writing after would_block.
  int descriptor() const { return descriptor_; }

 private:
  enum class Shape : std::uint8_t { nowhere, file, stream };
  // Returns 0, or what open or fstat said. ENXIO (a FIFO without reader) leaves the sink without descriptor, to be
  // tried again.
  int open_path();
  int learn_shape();
  Written write_to_stream(std::span<const iovec> parts);
  void close_own();

  Shape shape_ = Shape::nowhere;
  int descriptor_ = -1;
  std::string path_;  // empty: the descriptor is not ours to close
};

}  // namespace sluice::control
