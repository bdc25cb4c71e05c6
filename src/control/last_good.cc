#include "control/last_good.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "config/document.h"
#include "control/config_hash.h"
#include "control/descriptor.h"
#include "control/memory_file.h"

namespace sluice::control {

namespace {

// The first line, a comment of YAML: what follows is the config as it was.
constexpr std::string_view title = "# sluice-last-good-1";

std::string head_of(std::string_view text) { return fmt::format("{} {} {}\n", title, text.size(), config_hash(text)); }

std::string file_name(const std::string& config_path) {
  std::error_code fault;
  const auto absolute = std::filesystem::weakly_canonical(config_path, fault);
  return fmt::format("last-good-{:.16}.yaml", config_hash(fault ? config_path : absolute.string()));
}

std::string failed(std::string_view what, const std::string& path) {
  return fmt::format("{} {}: {}", what, path, strerrordesc_np(errno));
}

bool write_all(int descriptor, std::string_view text, const SaveCalls& calls) {
  while (!text.empty()) {
    const ssize_t wrote = calls.write(descriptor, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote == 0) errno = EIO;
    if (wrote <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

std::optional<std::string> fill(const std::string& path, std::string_view text, const SaveCalls& calls) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (!file) return failed("cannot create", path);
  const std::string head = head_of(text);
  if (!write_all(file.number(), head, calls) || !write_all(file.number(), text, calls))
    return failed("cannot write", path);
  if (calls.sync(file.number()) != 0) return failed("cannot sync", path);
  return std::nullopt;
}

// Nobody but root, ourselves and who owns the folder may have written it: it is a config that will be run.
std::optional<std::string> distrust(const struct stat& file, const std::string& folder, const std::string& path) {
  struct stat facts{};
  if (!S_ISREG(file.st_mode)) return path + " is not a regular file";
  const bool has_folder = ::stat(folder.c_str(), &facts) == 0;
  if (file.st_uid != 0 && file.st_uid != ::geteuid() && !(has_folder && file.st_uid == facts.st_uid))
    return fmt::format("{} belongs to user id {}, who has no business there", path, file.st_uid);
  if ((file.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fmt::format("{} may be written by others (mode {:04o}): chmod go-w, when you know what it says", path,
                       file.st_mode & 07777);
  return std::nullopt;
}

}  // namespace

const SaveCalls system_save_calls{.write = ::write, .sync = ::fsync, .rename = ::rename};

LastGood::LastGood(std::string folder, const std::string& config_path)
    : folder_(std::move(folder)), path_(folder_ + "/" + file_name(config_path)) {}

std::optional<std::string> LastGood::save(std::string_view text, const SaveCalls& calls) const {
  if (const auto there = load(); there && *there == text) return std::nullopt;
  const std::string fresh = path_ + ".new";
  ::unlink(fresh.c_str());  // of a save that was cut short
  auto fault = fill(fresh, text, calls);
  if (!fault && calls.rename(fresh.c_str(), path_.c_str()) != 0) fault = failed("cannot rename to", path_);
  if (fault) {
    ::unlink(fresh.c_str());
    return fault;
  }
  const Descriptor folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || calls.sync(folder.number()) != 0) return failed("cannot sync", folder_);
  return std::nullopt;
}

std::expected<std::string, std::string> LastGood::load() const {
  const Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file && errno == ENOENT) return std::unexpected(fmt::format("none has been kept ({})", path_));
  if (!file) return std::unexpected(failed("cannot open", path_));
  struct stat facts{};
  if (::fstat(file.number(), &facts) != 0) return std::unexpected(failed("cannot read", path_));
  if (auto reason = distrust(facts, folder_, path_)) return std::unexpected(*std::move(reason));
  constexpr std::size_t longest_head = 128;
  const auto all = read_memory_file(file.number(), config::max_file_bytes + longest_head);
  if (!all) return std::unexpected(path_ + " is too long or cannot be read");

  const std::size_t end = all->find('\n');
  std::string text = end == std::string::npos ? std::string() : all->substr(end + 1);
  if (end == std::string::npos || all->substr(0, end + 1) != head_of(text))
    return std::unexpected(path_ + " is damaged: its checksum does not fit; remove it");
  return text;
}

}  // namespace sluice::control
