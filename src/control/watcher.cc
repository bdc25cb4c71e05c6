#include "control/watcher.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <utility>

namespace sluice::control {

namespace {

constexpr int quiet_ms = 10;  // a writer that closes and renames, or writes twice, is one change

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) sigaddset(&set, number);
  return set;
}

bool watch_folder_of(int inotify, const std::filesystem::path& file) {
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  return inotify_add_watch(inotify, folder.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO) >= 0;
}

}  // namespace

void Watcher::block_signals() {
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

Watcher::Watcher(const std::string& file, std::function<void(int)> on_signal, std::function<void()> on_change)
    : on_signal_(std::move(on_signal)), on_change_(std::move(on_change)) {
  const sigset_t set = handled_signals();
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  stop_ = eventfd(0, EFD_CLOEXEC);
  inotify_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (inotify_ >= 0) {
    watches_file_ = watch_folder_of(inotify_, file);
    std::error_code ignored;
    const auto real = std::filesystem::canonical(file, ignored);
    if (!ignored) watches_file_ = watch_folder_of(inotify_, real) || watches_file_;
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

bool Watcher::drain_inotify() const {
  alignas(inotify_event) std::array<char, 4096> events;
  bool any = false;
  while (read(inotify_, events.data(), events.size()) > 0) any = true;
  return any;
}

void Watcher::run() {
  bool is_changed = false;
  for (;;) {
    std::array<pollfd, 3> waits{{{stop_, POLLIN, 0}, {signals_, POLLIN, 0}, {inotify_, POLLIN, 0}}};
    const int ready = poll(waits.data(), waits.size(), is_changed ? quiet_ms : -1);
    if (waits[0].revents != 0) return;
    if (waits[1].revents != 0) {
      signalfd_siginfo info;
      while (read(signals_, &info, sizeof info) == sizeof info) on_signal_(static_cast<int>(info.ssi_signo));
    }
    if (waits[2].revents != 0) is_changed |= drain_inotify();
    if (ready == 0 && std::exchange(is_changed, false)) on_change_();
  }
}

}  // namespace sluice::control
