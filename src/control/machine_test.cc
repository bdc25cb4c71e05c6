#include "control/machine.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/privileges.h"

namespace sluice::control {
namespace {

// In a child, for what cannot be taken back. `act` returns its exit code.
template <class Act>
int in_child(Act act) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(act());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Machine, TheSoftLimitOfDescriptorsBecomesTheHardOne) {
  EXPECT_EQ(in_child([] {
              rlimit files{.rlim_cur = 100, .rlim_max = 200};
              if (::setrlimit(RLIMIT_NOFILE, &files) != 0) return 1;
              raise_descriptor_limit();
              return read_machine().descriptors == 200 ? 0 : 2;
            }),
            0);
}

TEST(Machine, AConnectionNeedsTwoDescriptors) {
  const gateway::Machine machine{.descriptors = 1000 + gateway::Limits::reserved_descriptors};
  EXPECT_FALSE(doubt_descriptors(machine, {.all = 500}));
  const auto doubt = doubt_descriptors(machine, {.all = 501});
  ASSERT_TRUE(doubt);
  EXPECT_TRUE(doubt->contains("lower max_connections to 500")) << *doubt;
  EXPECT_TRUE(doubt->contains("LimitNOFILE"));
  EXPECT_FALSE(doubt_descriptors(machine, gateway::Limits::of({}, machine, 2, false).connections))
      << "the default fits";
}

TEST(Privileges, UnknownNamesAreSaidToBe) {
  EXPECT_TRUE(find_identity("nobody-of-that-name", "").error().contains("no user 'nobody-of-that-name'"));
  EXPECT_TRUE(find_identity("0", "no-group-of-that-name").error().contains("no group 'no-group-of-that-name'"));
  EXPECT_TRUE(find_identity("4000000000", "").error().contains("give `group` too"));
  const auto numbers = find_identity("4000000000", "4000000001");
  ASSERT_TRUE(numbers);
  EXPECT_EQ(numbers->user, 4000000000u);
  EXPECT_EQ(numbers->group, 4000000001u);
}

TEST(Privileges, RootIsGivenUpForGood) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give root up";
  EXPECT_EQ(in_child([] {
              if (become({.user = 65534, .group = 65533, .name = "nobody"})) return 1;
              if (::getuid() != 65534 || ::geteuid() != 65534 || ::getgid() != 65533) return 2;
              if (::getgroups(0, nullptr) != 0) return 3;
              return ::setuid(0) == 0 || ::setgid(0) == 0 ? 4 : 0;
            }),
            0);
}

TEST(Privileges, WhoIsNotRootIsRefused) {
  EXPECT_EQ(in_child([] {
              if (::geteuid() == 0 && ::setuid(65534) != 0) return 1;
              return become({.user = 1, .group = 1, .name = "daemon"}) ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace sluice::control
