#include "control/log_sink.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sluice::control {
namespace {

std::string explain(std::string_view path, int error) {
  std::string text = "cannot open the log file ";
  text += path;
  text += ": ";
  switch (error) {
    case ELOOP:
      return text + "it is a symbolic link, which is not followed; name the file itself, or `stdout`";
    case EISDIR:
      return text + "it is a folder; name a file in it";
    case ENOENT:
      return text + "its folder does not exist; make the folder first";
    case EACCES:
      return text + "permission denied; the gateway's user must be allowed to write there";
    default: {
      const char* const words = strerrordesc_np(error);
      return text + (words != nullptr ? words : "unknown error");
    }
  }
}

LogSink::Written from_result(ssize_t result) {
  if (result >= 0) return {LogSink::Outcome::wrote, static_cast<std::size_t>(result)};
  const bool would_block = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  return {would_block ? LogSink::Outcome::would_block : LogSink::Outcome::failed};
}

}  // namespace

LogSink::LogSink(LogSink&& other) noexcept
    : shape_(std::exchange(other.shape_, Shape::nowhere)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::exchange(other.path_, {})) {}

LogSink& LogSink::operator=(LogSink&& other) noexcept {
  std::swap(shape_, other.shape_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

LogSink::~LogSink() { close_own(); }

void LogSink::close_own() {
  if (!path_.empty() && descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

std::expected<LogSink, std::string> LogSink::open(std::string_view to) {
  LogSink sink;
  if (to == "off") return sink;
  if (to == "stdout" || to == "stderr") {
    sink.descriptor_ = to == "stdout" ? STDOUT_FILENO : STDERR_FILENO;
    if (sink.learn_shape() != 0) return std::unexpected(std::string(to) + " is closed; the log cannot go there");
    return sink;
  }
  sink.path_ = to;
  sink.shape_ = Shape::file;
  if (const int error = sink.open_path(); error != 0 && error != ENXIO) return std::unexpected(explain(to, error));
  return sink;
}

int LogSink::open_path() {
  // O_NONBLOCK does nothing to a file; it keeps a FIFO from holding us up.
  const int opened =
      ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
  if (opened < 0) return errno;
  close_own();
  descriptor_ = opened;
  return learn_shape();
}

int LogSink::learn_shape() {
  struct stat status{};
  if (::fstat(descriptor_, &status) != 0) return errno;
  const bool is_stream = S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || ::isatty(descriptor_) == 1;
  shape_ = is_stream ? Shape::stream : Shape::file;
  return 0;
}

bool LogSink::reopen() { return path_.empty() || open_path() == 0; }

LogSink::Written LogSink::write(std::span<const iovec> parts) {
  if (shape_ == Shape::nowhere) {
    std::size_t all = 0;
    for (const iovec& part : parts) all += part.iov_len;
    return {Outcome::wrote, all};
  }
  if (descriptor_ < 0 && open_path() != 0) return {Outcome::failed};
  if (shape_ == Shape::stream) return write_to_stream(parts);
  return from_result(::writev(descriptor_, parts.data(), static_cast<int>(parts.size())));
}

// stdout may be shared with others, so it is not made non-blocking: a stream that polls as writable takes PIPE_BUF
// bytes.
LogSink::Written LogSink::write_to_stream(std::span<const iovec> parts) {
  pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
  if (::poll(&ready, 1, 0) <= 0) return {Outcome::would_block};
  std::string_view piece(static_cast<const char*>(parts[0].iov_base),
                         std::min<std::size_t>(parts[0].iov_len, PIPE_BUF));
  if (const std::size_t end = piece.rfind('\n'); end != std::string_view::npos) piece = piece.substr(0, end + 1);
  return from_result(::write(descriptor_, piece.data(), piece.size()));
}

}  // namespace sluice::control
