#include "control/privileges.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

namespace sluice::control {

namespace {

std::optional<unsigned> number_of(const std::string& text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

using NameBuffer = std::array<char, 16 * 1024>;

}  // namespace

std::expected<Identity, std::string> find_identity(const std::string& user, const std::string& group) {
  NameBuffer buffer;
  passwd entry{};
  passwd* found = nullptr;
  const auto number = number_of(user);
  if (number) {
    ::getpwuid_r(*number, &entry, buffer.data(), buffer.size(), &found);
  } else {
    ::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
  }
  if (found == nullptr && !number)
    return std::unexpected(fmt::format("user: there is no user '{}' on this machine: make one, or name another", user));
  if (found == nullptr && group.empty())
    return std::unexpected(fmt::format("user: {} has no entry, so its group is not known: give `group` too", user));
  Identity identity{
      .user = number ? *number : entry.pw_uid, .group = found != nullptr ? entry.pw_gid : 0, .name = user};
  if (group.empty()) return identity;

  if (const auto group_number = number_of(group)) {
    identity.group = *group_number;
    return identity;
  }
  ::group group_entry{};
  ::group* found_group = nullptr;
  ::getgrnam_r(group.c_str(), &group_entry, buffer.data(), buffer.size(), &found_group);
  if (found_group == nullptr)
    return std::unexpected(
        fmt::format("group: there is no group '{}' on this machine: make one, or name another", group));
  identity.group = group_entry.gr_gid;
  return identity;
}

std::optional<std::string> become(const Identity& identity) {
  const auto failed = [&](const char* what) {
    return fmt::format("cannot become user {}: {}: {}", identity.name, what, strerrordesc_np(errno));
  };
  if (::setgroups(0, nullptr) != 0) return failed("setgroups");
  if (::setresgid(identity.group, identity.group, identity.group) != 0) return failed("setresgid");
  if (::setresuid(identity.user, identity.user, identity.user) != 0) return failed("setresuid");
  // Believed only when it is seen: root is not to be had again.
  if (identity.user != 0 && ::setresuid(0, 0, 0) == 0) return "cannot give up root: it could be had again";
  return std::nullopt;
}

void forbid_new_privileges() { ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

}  // namespace sluice::control
