#include "control/last_good.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>

namespace sluice::control {
namespace {

const std::string old_text = "old: config\n";
const std::string new_text = std::string(100'000, '#') + "\nnew: config\n";

class LastGoodTest : public testing::Test {
 protected:
  LastGoodTest() {
    char name[] = "/tmp/sluice-last-good-XXXXXX";
    folder_ = ::mkdtemp(name);
    good_.emplace(folder_, "/etc/sluice/gateway.yaml");
  }
  ~LastGoodTest() override { std::filesystem::remove_all(folder_); }

  std::string bytes() const {
    std::ifstream file(good_->path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void put(const std::string& bytes) const { std::ofstream(good_->path(), std::ios::binary) << bytes; }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  std::string refusal() const {
    const auto text = good_->load();
    return text ? "it was read" : text.error();
  }

  std::string folder_;
  std::optional<LastGood> good_;
};

TEST_F(LastGoodTest, ReadsWhatItSaved) {
  EXPECT_TRUE(refusal().contains("none has been kept"));
  EXPECT_EQ(good_->save(old_text), std::nullopt);
  EXPECT_EQ(good_->load(), old_text);
  EXPECT_EQ(good_->save(new_text), std::nullopt);
  EXPECT_EQ(good_->load(), new_text);
  EXPECT_EQ(files(), 1);
  EXPECT_EQ(good_->save(""), std::nullopt);
  EXPECT_EQ(good_->load(), "");
  struct stat facts{};
  ASSERT_EQ(::stat(good_->path().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600);
}

TEST_F(LastGoodTest, EachConfigHasItsOwn) {
  const LastGood other(folder_, "/etc/sluice/other.yaml");
  EXPECT_EQ(good_->save(old_text), std::nullopt);
  EXPECT_EQ(other.save(new_text), std::nullopt);
  EXPECT_EQ(good_->load(), old_text);
  EXPECT_EQ(other.load(), new_text);
}

// R18: each bit turned, each length cut to.
TEST_F(LastGoodTest, EveryFlippedBitAndEveryCutIsNoticed) {
  ASSERT_EQ(good_->save(old_text), std::nullopt);
  const std::string whole = bytes();
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bent = whole;
    bent[bit / 8] = static_cast<char>(bent[bit / 8] ^ (1 << (bit % 8)));
    put(bent);
    EXPECT_TRUE(refusal().contains("is damaged")) << bit;
  }
  for (std::size_t length = 0; length < whole.size(); ++length) {
    put(whole.substr(0, length));
    EXPECT_TRUE(refusal().contains("is damaged")) << length;
  }
  put(whole + "x");
  EXPECT_TRUE(refusal().contains("is damaged"));
  put(whole);
  EXPECT_EQ(good_->load(), old_text);
}

TEST_F(LastGoodTest, WhatIsTooLongOrOfTheWrongTypeIsRefused) {
  put("");
  std::filesystem::resize_file(good_->path(), std::size_t{33} << 20);
  EXPECT_TRUE(refusal().contains("too long"));
  std::filesystem::remove(good_->path());
  std::filesystem::create_directory(good_->path());
  EXPECT_TRUE(refusal().contains("not a regular file"));
  std::filesystem::remove(good_->path());
  ASSERT_EQ(::mkfifo(good_->path().c_str(), 0600), 0);
  EXPECT_TRUE(refusal().contains("not a regular file"));
  std::filesystem::remove(good_->path());
  std::filesystem::create_symlink("/etc/passwd", good_->path());
  EXPECT_TRUE(refusal().contains("cannot open"));
}

TEST_F(LastGoodTest, WhatOthersMayWriteIsRefused) {
  ASSERT_EQ(good_->save(old_text), std::nullopt);
  for (const mode_t mode : {0620, 0602}) {
    ::chmod(good_->path().c_str(), mode);
    EXPECT_TRUE(refusal().contains("written by others"));
  }
  ::chmod(good_->path().c_str(), 0640);
  EXPECT_EQ(good_->load(), old_text);
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(::chown(good_->path().c_str(), 12345, 0), 0);
  EXPECT_TRUE(refusal().contains("belongs to user id 12345"));
}

// ---- R21: failures and deaths in the middle of a save

int calls_left = 0;  // of those that go well
int fault = 0;       // errno of the first that does not
bool is_failing() {
  if (--calls_left >= 0) return false;
  errno = fault;
  return true;
}
constexpr SaveCalls failing_calls{
    .write = [](int descriptor, const void* data, std::size_t count) -> ssize_t {
      return is_failing() ? -1 : ::write(descriptor, data, std::min<std::size_t>(count, 30'000));  // short, too
    },
    .sync = [](int descriptor) { return is_failing() ? -1 : ::fsync(descriptor); },
    .rename = [](const char* from, const char* to) { return is_failing() ? -1 : ::rename(from, to); }};

TEST_F(LastGoodTest, AFailureAtAnyStepLeavesAWholeConfig) {
  constexpr int steps = 8;  // head, 4 pieces of the text, fsync, rename, fsync of the folder
  for (const int error : {ENOSPC, EIO, EDQUOT}) {
    for (int step = 0; step < steps; ++step) {
      ASSERT_EQ(good_->save(old_text), std::nullopt);
      calls_left = step;
      fault = error;
      const auto told = good_->save(new_text, failing_calls);
      ASSERT_TRUE(told) << "step " << step << " did not fail";
      EXPECT_TRUE(told->contains(strerrordesc_np(error))) << *told;
      EXPECT_EQ(good_->load(), step < steps - 1 ? old_text : new_text);
      EXPECT_EQ(files(), 1) << "something is left behind";
    }
  }
  ASSERT_EQ(good_->save(old_text), std::nullopt);
  calls_left = steps;
  EXPECT_EQ(good_->save(new_text, failing_calls), std::nullopt) << "short writes are no failure";
  EXPECT_EQ(good_->load(), new_text);
}

// Runs a save in a child and kills it when it enters its system call number `last`. False: it ended before that.
// Absent: this system traces nobody.
std::optional<bool> save_and_die(const LastGood& good, int last) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(3);
    ::raise(SIGSTOP);
    (void)good.save(new_text);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFSTOPPED(status)) return std::nullopt;
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_EXITKILL);
  for (int stops = 0; stops < 2 * last; ++stops) {  // one at its entry, one at its exit
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) return false;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return true;
}

TEST_F(LastGoodTest, ADeathAtAnySystemCallLeavesAWholeConfig) {
  int news = 0;
  int calls = 0;
  for (bool was_cut = true; was_cut; ++calls) {
    ASSERT_LT(calls, 500) << "it never ends";
    ASSERT_EQ(good_->save(old_text), std::nullopt);
    const auto died = save_and_die(*good_, calls);
    if (!died) GTEST_SKIP() << "ptrace is not allowed here";
    was_cut = *died;
    const auto text = good_->load();
    ASSERT_TRUE(text) << "after a death at call " << calls << ": " << text.error();
    EXPECT_TRUE(*text == old_text || *text == new_text);
    news += *text == new_text ? 1 : 0;
  }
  EXPECT_GT(calls, 10) << "open, write, fsync, rename ...";
  EXPECT_GT(news, 1) << "some deaths come after the rename";
}

}  // namespace
}  // namespace sluice::control
