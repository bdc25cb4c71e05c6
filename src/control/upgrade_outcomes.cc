#include "control/upgrade_outcomes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "control/memory_file.h"

namespace sluice::control {

namespace {

constexpr const char* file_name = "sluice-upgrades";
constexpr std::size_t most_bytes = 64 * 1024;
constexpr std::string_view done = "done ";
constexpr std::string_view failed = "failed ";

}  // namespace

UpgradeOutcomes::UpgradeOutcomes(Descriptor file) : file_(std::move(file)) {
  if (!file_) file_ = Descriptor(::memfd_create(file_name, MFD_CLOEXEC));
  if (file_) ::fcntl(file_.number(), F_SETFL, O_APPEND);
}

void UpgradeOutcomes::note(bool is_done, std::string_view text) {
  if (!file_) return;
  std::string line = fmt::format("{}{}", is_done ? done : failed, text);
  std::ranges::replace(line, '\n', ' ');
  line += '\n';
  // After hundreds of upgrades it begins anew: who waits at an older end then reads from the start.
  if (::lseek(file_.number(), 0, SEEK_END) > static_cast<off_t>(most_bytes - line.size()))
    (void)!::ftruncate(file_.number(), 0);
  (void)!::write(file_.number(), line.data(), line.size());  // what is not written is in the log
}

std::optional<UpgradeWatch> UpgradeWatch::open(pid_t supervisor) {
  const std::string wanted = fmt::format("/memfd:{} (deleted)", file_name);
  std::error_code fault;
  for (std::filesystem::directory_iterator at(fmt::format("/proc/{}/fd", supervisor), fault), end; !fault && at != end;
       at.increment(fault)) {
    std::error_code gone;
    if (std::filesystem::read_symlink(at->path(), gone) != wanted) continue;
    Descriptor file(::open(at->path().c_str(), O_RDONLY | O_CLOEXEC));
    const auto text = file ? read_memory_file(file.number(), most_bytes) : std::nullopt;
    if (text) return UpgradeWatch(std::move(file), text->size());
  }
  return std::nullopt;
}

std::optional<UpgradeWatch::Outcome> UpgradeWatch::look() const {
  const auto all = read_memory_file(file_.number(), most_bytes);
  if (!all) return std::nullopt;
  std::string_view line = *all;
  line.remove_prefix(seen_ <= line.size() ? seen_ : 0);
  if (!line.contains('\n')) return std::nullopt;
  line = line.substr(0, line.find('\n'));
  const bool is_done = line.starts_with(done);
  line.remove_prefix(std::min(is_done ? done.size() : failed.size(), line.size()));
  return Outcome{.is_done = is_done, .text = std::string(line)};
}

}  // namespace sluice::control
