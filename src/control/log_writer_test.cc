#include "control/log_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/clock.h"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

class LogWriterTest : public testing::Test {
 protected:
  LogWriterTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-log-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~LogWriterTest() override { std::filesystem::remove_all(folder_); }

  std::string path(std::string_view name) const { return folder_ + "/" + std::string(name); }
  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  static bool put(ByteRing& ring, std::string_view line) {
    char* const at = ring.try_reserve(line.size());
    if (at == nullptr) return false;
    std::memcpy(at, line.data(), line.size());
    ring.commit(line.size());
    return true;
  }
  // A line of 100 bytes that says its number.
  static std::string line(int number) {
    std::string text = std::to_string(number) + ":";
    text.resize(99, static_cast<char>('a' + number % 26));
    return text + "\n";
  }
  template <class Condition>
  static bool wait_until(Condition condition) {
    for (const Instant deadline = read_steady_clock() + 5s; read_steady_clock() < deadline;) {
      if (condition()) return true;
      std::this_thread::sleep_for(1ms);
    }
    return condition();
  }
  // Puts lines until `dropped` are lost. That it ends at all shows that a worker is never held up; the bound on the
  // time leaves room for a busy machine.
  static void overfill(ByteRing& ring, int& next, std::uint64_t dropped) {
    const Instant before = read_steady_clock();
    for (const std::uint64_t goal = ring.dropped_records() + dropped; ring.dropped_records() < goal; ++next)
      (void)put(ring, line(next));  // losing lines is the point
    EXPECT_LT(read_steady_clock() - before, 1s);
  }
  // Every line of `text` is one that was put, and their numbers go up. Returns how many.
  static std::uint64_t count_whole_lines(const std::string& text) {
    std::istringstream in(text);
    std::uint64_t count = 0;
    int last = -1;
    for (std::string one; std::getline(in, one); ++count) {
      const int number = std::atoi(one.c_str());
      EXPECT_EQ(one + "\n", line(number));
      EXPECT_GT(number, last);
      last = number;
    }
    return count;
  }

  std::string folder_;
  LogWriter writer_;
};

// A reader's end of a FIFO.
class Reader {
 public:
  explicit Reader(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {}
  explicit Reader(int descriptor) : descriptor_(descriptor) {}
  ~Reader() { ::close(descriptor_); }
  void read_some() {
    char bytes[65'536];
    const ssize_t size = ::read(descriptor_, bytes, sizeof bytes);
    if (size > 0) text.append(bytes, static_cast<std::size_t>(size));
  }
  std::string text;

 private:
  int descriptor_;
};

TEST_F(LogWriterTest, WritesAllRingsToAFileThatOthersCannotRead) {
  ByteRing& one = writer_.add_ring();
  ByteRing& other = writer_.add_ring();
  ASSERT_EQ(writer_.use(path("access.log")), std::nullopt);
  writer_.start();
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(put(i % 2 == 0 ? one : other, line(i)));
  EXPECT_TRUE(wait_until([&] { return writer_.stats().lines_written == 1'000; }));
  put(one, line(1'000));
  writer_.stop();  // writes what is left
  EXPECT_EQ(writer_.stats().lines_written, 1'001u);
  EXPECT_EQ(writer_.stats().bytes_written, 100'100u);
  EXPECT_EQ(writer_.stats().lines_dropped, 0u);
  EXPECT_EQ(read(path("access.log")).size(), 100'100u);
  struct stat status{};
  ASSERT_EQ(::stat(path("access.log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07137u, 0u);  // nothing beyond 0640
}

TEST_F(LogWriterTest, KeepsLinesWholeWhileWorkersWrite) {
  ByteRing* const rings[] = {&writer_.add_ring(16 * 1024), &writer_.add_ring(16 * 1024)};
  ASSERT_EQ(writer_.use(path("access.log")), std::nullopt);
  writer_.start();
  constexpr int most = 20'000;
  std::thread workers[2];
  for (int worker = 0; worker < 2; ++worker) {
    workers[worker] = std::thread([&, worker] {
      for (int i = worker; i < most; i += 2) {
        if (!put(*rings[worker], line(i))) std::this_thread::sleep_for(1ms);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  writer_.stop();
  const std::string text = read(path("access.log"));
  std::istringstream in(text);
  std::uint64_t count = 0;
  int last[2] = {-1, -1};
  for (std::string one; std::getline(in, one); ++count) {
    const int number = std::atoi(one.c_str());
    ASSERT_EQ(one + "\n", line(number));
    ASSERT_GT(number, last[number % 2]);
    last[number % 2] = number;
  }
  EXPECT_EQ(count, writer_.stats().lines_written);
  EXPECT_EQ(count + writer_.stats().lines_dropped, static_cast<std::uint64_t>(most));
}

TEST_F(LogWriterTest, RefusesWhatItShouldNotWriteToAndKeepsTheSinkBefore) {
  std::filesystem::create_symlink(path("elsewhere"), path("link"));
  EXPECT_EQ(writer_.use(path("link")),
            "cannot open the log file " + path("link") +
                ": it is a symbolic link, which is not followed; name the file itself, or `stdout`");
  EXPECT_NE(writer_.use(folder_)->find("it is a folder"), std::string::npos);
  EXPECT_NE(writer_.use(path("no/such/folder"))->find("its folder does not exist"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path("elsewhere")));

  ByteRing& ring = writer_.add_ring();
  ASSERT_EQ(writer_.use(path("good")), std::nullopt);
  ASSERT_NE(writer_.use(folder_), std::nullopt);
  writer_.start();
  put(ring, line(1));
  writer_.stop();
  EXPECT_EQ(read(path("good")), line(1));
}

TEST_F(LogWriterTest, ThrowsLinesAwayWhenOff) {
  ByteRing& ring = writer_.add_ring();
  ASSERT_EQ(writer_.use("off"), std::nullopt);
  writer_.start();
  put(ring, line(1));
  writer_.stop();
  EXPECT_EQ(ring.peek()[0], "");
  EXPECT_EQ(writer_.stats().lines_dropped, 0u);
}

TEST_F(LogWriterTest, MovesToAnotherFileAndReopensAfterRotation) {
  ByteRing& ring = writer_.add_ring();
  ASSERT_EQ(writer_.use(path("access.log")), std::nullopt);
  writer_.start();
  put(ring, line(1));
  ASSERT_TRUE(wait_until([&] { return writer_.stats().lines_written == 1; }));
  std::filesystem::rename(path("access.log"), path("access.log.1"));
  writer_.reopen();
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(path("access.log")); }));
  put(ring, line(2));
  ASSERT_TRUE(wait_until([&] { return writer_.stats().lines_written == 2; }));
  ASSERT_EQ(writer_.use(path("next.log")), std::nullopt);
  std::this_thread::sleep_for(2 * LogWriter::poll_interval);
  put(ring, line(3));
  writer_.stop();
  EXPECT_EQ(read(path("access.log.1")), line(1));
  EXPECT_EQ(read(path("access.log")), line(2));
  EXPECT_EQ(read(path("next.log")), line(3));
}

TEST_F(LogWriterTest, KeepsTheOldFileWhenReopeningFails) {
  ByteRing& ring = writer_.add_ring();
  std::filesystem::create_directory(path("logs"));
  ASSERT_EQ(writer_.use(path("logs/access.log")), std::nullopt);
  writer_.start();
  std::filesystem::rename(path("logs"), path("old"));
  writer_.reopen();
  ASSERT_TRUE(wait_until([&] { return writer_.stats().write_errors == 1; }));
  put(ring, line(1));
  writer_.stop();
  EXPECT_EQ(read(path("old/access.log")), line(1));
}

TEST_F(LogWriterTest, R22FullDeviceDropsAndCountsAndAnotherSinkResumes) {
  ByteRing& ring = writer_.add_ring(64 * 1024);
  ASSERT_EQ(writer_.use("/dev/full"), std::nullopt);
  writer_.start();
  int next = 0;
  overfill(ring, next, 10'000);
  ASSERT_TRUE(wait_until([&] { return writer_.stats().is_failing; }));
  EXPECT_GE(writer_.stats().write_errors, 1u);
  EXPECT_LE(writer_.stats().write_errors, 40u);  // no busy loop
  EXPECT_GE(writer_.stats().lines_dropped, 10'000u);
  EXPECT_EQ(writer_.stats().lines_written, 0u);
  ASSERT_EQ(writer_.use(path("access.log")), std::nullopt);
  ASSERT_TRUE(wait_until([&] { return writer_.stats().lines_written > 600 && !writer_.stats().is_failing; }));
  writer_.stop();
  EXPECT_EQ(count_whole_lines(read(path("access.log"))), writer_.stats().lines_written);
  EXPECT_EQ(writer_.stats().lines_written + writer_.stats().lines_dropped, static_cast<std::uint64_t>(next));
}

// A limit on file size stands in for a disk that fills in the middle of a line and is emptied later.
TEST_F(LogWriterTest, R22FullDiskResumesAloneInTheMiddleOfALine) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 12'345;
  ByteRing& ring = writer_.add_ring(64 * 1024);
  ASSERT_EQ(writer_.use(path("access.log")), std::nullopt);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  writer_.start();
  int next = 0;
  overfill(ring, next, 100);
  const bool has_failed = wait_until([&] { return writer_.stats().is_failing; });
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_TRUE(has_failed);
  EXPECT_EQ(writer_.stats().bytes_written, 12'345u);
  EXPECT_TRUE(wait_until([&] { return !writer_.stats().is_failing; }));
  writer_.stop();
  EXPECT_EQ(count_whole_lines(read(path("access.log"))), writer_.stats().lines_written);
  EXPECT_EQ(writer_.stats().lines_written + writer_.stats().lines_dropped, static_cast<std::uint64_t>(next));
}

TEST_F(LogWriterTest, R23FifoWithoutReaderIsWaitedFor) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  ByteRing& ring = writer_.add_ring(64 * 1024);
  ASSERT_EQ(writer_.use(path("fifo")), std::nullopt);
  writer_.start();
  int next = 0;
  overfill(ring, next, 1'000);
  ASSERT_TRUE(wait_until([&] { return writer_.stats().is_failing; }));
  Reader reader(path("fifo"));
  EXPECT_TRUE(wait_until([&] {
    reader.read_some();
    return ring.peek()[0].empty() && writer_.stats().lines_written > 600;
  }));
  writer_.stop();
  reader.read_some();
  EXPECT_EQ(count_whole_lines(reader.text), writer_.stats().lines_written);
}

TEST_F(LogWriterTest, R23StuckReaderHoldsNobodyUpAndMayComeBack) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  auto reader = std::make_unique<Reader>(path("fifo"));
  ByteRing& ring = writer_.add_ring(64 * 1024);
  ASSERT_EQ(writer_.use(path("fifo")), std::nullopt);
  writer_.start();
  int next = 0;
  (void)overfill(ring, next, 10'000);           // losing lines is the point
  EXPECT_EQ(writer_.stats().write_errors, 0u);  // blocking is no error
  const std::uint64_t stuck_at = writer_.stats().lines_written;
  EXPECT_TRUE(wait_until([&] {
    reader->read_some();
    return writer_.stats().lines_written > stuck_at + 600;
  }));
  // The reader dies, and another takes over.
  const std::string seen = reader->text;
  reader.reset();
  EXPECT_TRUE(wait_until([&] {
    (void)put(ring, line(next++));
    return writer_.stats().is_failing;
  }));
  Reader other(path("fifo"));
  EXPECT_TRUE(wait_until([&] {
    other.read_some();
    return !other.text.empty() && !writer_.stats().is_failing;
  }));
  writer_.stop();
  EXPECT_GT(count_whole_lines(seen), 0u);
  EXPECT_GT(count_whole_lines(other.text), 0u);
}

TEST_F(LogWriterTest, R23StopIsBoundedWhenNobodyReads) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  const Reader reader(path("fifo"));
  ByteRing& ring = writer_.add_ring();
  ASSERT_EQ(writer_.use(path("fifo")), std::nullopt);
  writer_.start();
  int next = 0;
  overfill(ring, next, 1);
  const Instant before = read_steady_clock();
  writer_.stop();
  const Duration took = read_steady_clock() - before;
  EXPECT_GE(took, 1'900ms);
  EXPECT_LE(took, LogWriter::most_flush_time + 1s);
  EXPECT_EQ(writer_.stats().lines_written + writer_.stats().lines_dropped, static_cast<std::uint64_t>(next));
}

TEST_F(LogWriterTest, StopWaitsForASlowReader) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  Reader reader(path("fifo"));
  ByteRing& ring = writer_.add_ring();
  for (int i = 0; i < 5'000; ++i) ASSERT_TRUE(put(ring, line(i)));
  ASSERT_EQ(writer_.use(path("fifo")), std::nullopt);
  writer_.start();
  std::atomic<bool> is_stopped{false};
  std::thread slow([&] {
    for (bool is_last = false; !is_last;) {
      is_last = is_stopped;
      reader.read_some();
      std::this_thread::sleep_for(5ms);
    }
    for (int i = 0; i < 10; ++i) reader.read_some();
  });
  writer_.stop();
  is_stopped = true;
  slow.join();
  EXPECT_EQ(writer_.stats().lines_dropped, 0u);
  EXPECT_EQ(count_whole_lines(reader.text), 5'000u);
}

// stdout as services have it: a pipe in blocking mode, which must stay so, since others share it.
TEST_F(LogWriterTest, R23StdoutThatIsABlockingPipe) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Reader reader(ends[0]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  std::fflush(stdout);
  const int saved = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
  ASSERT_EQ(::dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
  ByteRing& ring = writer_.add_ring(256 * 1024);
  const auto wrong = writer_.use("stdout");
  writer_.start();
  int next = 0;
  overfill(ring, next, 1'000);
  const std::uint64_t stuck_at = writer_.stats().lines_written;
  const bool has_resumed = wait_until([&] {
    reader.read_some();
    return writer_.stats().lines_written > stuck_at + 1'000;
  });
  writer_.reopen();  // changes nothing
  std::thread last_reads([&] {
    for (int i = 0; i < 100; ++i) {
      reader.read_some();
      std::this_thread::sleep_for(1ms);
    }
  });
  writer_.stop();
  last_reads.join();
  const bool is_blocking = (::fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK) == 0;
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  ::close(ends[1]);
  for (int i = 0; i < 10; ++i) reader.read_some();
  EXPECT_EQ(wrong, std::nullopt);
  EXPECT_TRUE(has_resumed);
  EXPECT_TRUE(is_blocking);
  EXPECT_EQ(count_whole_lines(reader.text), writer_.stats().lines_written);
}

// The beginning of a line stands in a full pipe when the log moves on: the rest must not open the next file.
TEST_F(LogWriterTest, ALineCutByTheOldSinkIsNotFinishedInTheNew) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  const Reader reader(path("fifo"));
  ByteRing& ring = writer_.add_ring();
  const std::string longest(200'000, 'x');
  ASSERT_TRUE(put(ring, longest + "\n"));  // longer than the pipe
  ASSERT_TRUE(put(ring, line(1)));
  ASSERT_EQ(writer_.use(path("fifo")), std::nullopt);
  writer_.start();
  ASSERT_TRUE(wait_until([&] { return writer_.stats().bytes_written > 0; }));
  std::this_thread::sleep_for(2 * LogWriter::poll_interval);
  ASSERT_EQ(writer_.use(path("access.log")), std::nullopt);
  writer_.stop();
  EXPECT_EQ(read(path("access.log")), line(1));
  EXPECT_EQ(writer_.stats().lines_dropped, 1u);
}

}  // namespace
}  // namespace sluice::control
