#include "control/watcher.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <utility>

namespace sluice::control {

namespace {

constexpr auto most_unquiet = std::chrono::seconds(1);
constexpr int quiet_ms = 10;  // a writer that closes and renames, or writes twice, is one change

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) sigaddset(&set, number);
  return set;
}

constexpr int most_links = 40;  // as the kernel follows (path_resolution(7))

using std::filesystem::path;

// The folders in which something may change what `file` names: its own, and that of each link on the way there. The
// watches that could be had.
std::vector<int> watch_folders_of(int inotify, const std::string& file) {
  std::vector<int> watches;
  const auto watch = [&](const path& inside, std::uint32_t events) {
    const path folder = inside.has_parent_path() ? inside.parent_path() : path(".");
    const int made = inotify_add_watch(inotify, folder.c_str(), IN_MASK_ADD | events);
    if (made >= 0) watches.push_back(made);
  };
  path way = file;
  watch(way, IN_CLOSE_WRITE | IN_MOVED_TO);
  for (int links = 0; links < most_links; ++links) {
    path here;
    auto part = way.begin();
    std::error_code none;
    while (part != way.end() && !std::filesystem::is_symlink(here / *part, none)) here /= *part++;
    if (part == way.end()) break;
    watch(here / *part, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE);  // a link is made, never written
    path next = here / std::filesystem::read_symlink(here / *part, none);
    for (++part; part != way.end(); ++part) next /= *part;
    way = std::move(next);
  }
  watch(way, IN_CLOSE_WRITE | IN_MOVED_TO);
  return watches;
}

}  // namespace

void Watcher::block_signals() {
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

Watcher::Watcher(const std::string& file, std::function<void(int)> on_signal, std::function<void()> on_change,
                 std::function<void()> on_other_change)
    : on_signal_(std::move(on_signal)), on_change_(std::move(on_change)), on_other_change_(std::move(on_other_change)) {
  const sigset_t set = handled_signals();
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  stop_ = eventfd(0, EFD_CLOEXEC);
  inotify_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (inotify_ >= 0) {
    config_watches_ = watch_folders_of(inotify_, file);
    watches_file_ = !config_watches_.empty();
  }
  thread_ = std::thread([this] { run(); });
}

Watcher::~Watcher() {
  const std::uint64_t one = 1;
  (void)!write(stop_, &one, sizeof one);  // an eventfd takes it
  thread_.join();
  for (const int descriptor : {inotify_, signals_, stop_})
    if (descriptor >= 0) close(descriptor);
}

bool Watcher::watch_also(const std::string& file) { return inotify_ >= 0 && !watch_folders_of(inotify_, file).empty(); }

// What else is watched may stand in the config's folder: a change there may be of either.
Watcher::Changes Watcher::drain_inotify() const {
  alignas(inotify_event) std::array<char, 4096> events;
  Changes changes;
  for (ssize_t size; (size = read(inotify_, events.data(), events.size())) > 0;) {
    changes.of_others = true;
    for (ssize_t at = 0; at < size;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(events.data() + at);
      changes.of_config |= std::ranges::find(config_watches_, event->wd) != config_watches_.end();
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
  return changes;
}

void Watcher::run() {
  using Clock = std::chrono::steady_clock;
  Changes changes;
  Clock::time_point first_seen;
  for (;;) {
    std::array<pollfd, 3> waits{{{stop_, POLLIN, 0}, {signals_, POLLIN, 0}, {inotify_, POLLIN, 0}}};
    const bool had_changes = changes.of_others;
    const int ready = poll(waits.data(), waits.size(), had_changes ? quiet_ms : -1);
    if (waits[0].revents != 0) return;
    if (waits[1].revents != 0) {
      signalfd_siginfo info;
      while (read(signals_, &info, sizeof info) == sizeof info) on_signal_(static_cast<int>(info.ssi_signo));
    }
    if (waits[2].revents != 0) {
      const Changes seen = drain_inotify();
      changes = {changes.of_config || seen.of_config, changes.of_others || seen.of_others};
    }
    if (changes.of_others && !had_changes) first_seen = Clock::now();
    // In a folder where something is always written it is never quiet.
    if (ready != 0 && (!changes.of_others || Clock::now() - first_seen < most_unquiet)) continue;
    if (changes.of_others) on_other_change_();
    if (changes.of_config) on_change_();
    changes = {};
  }
}

}  // namespace sluice::control
