#pragma once
// Whom the gateway process is once it has what only root can get: its sockets, its log, its state folder.

#include <sys/types.h>

#include <expected>
#include <optional>
#include <string>

namespace sluice::control {

struct Identity {
  uid_t user;
  gid_t group;
  std::string name;
};

// `user` and `group` are names or numbers; without a group it is the user's. errors: who is not known, with the remedy.
std::expected<Identity, std::string> find_identity(const std::string& user, const std::string& group);

// For ever, on all threads: no supplementary group, no way back. errors (in the return value): what was refused.
std::optional<std::string> become(const Identity& identity);

// Nothing that this process or one after it executes can gain privileges by its file. Call before threads are made.
void forbid_new_privileges();

}  // namespace sluice::control
