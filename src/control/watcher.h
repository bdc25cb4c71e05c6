#pragma once
// Waits for what comes from outside the sockets: signals, and changes of the config file. A thread of its own that only
// waits; what it sees is posted to who asked.

#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace sluice::control {

class Watcher {
 public:
  // Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 and ignores SIGPIPE for the whole process: call before any thread
  // is started.
  static void block_signals();

  // `on_signal(number)` and `on_change()` run on the watcher's thread.
  // The folder of `file` is watched, and that of what it links to: editors, `mv` and Kubernetes' links replace files
  // rather than write them. A change is reported once it has been quiet for 10 ms.
  // `on_other_change()`: the same of a file that was given to watch_also().
  Watcher(const std::string& file, std::function<void(int)> on_signal, std::function<void()> on_change,
          std::function<void()> on_other_change);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // False when the folder cannot be watched (no inotify): SIGHUP still reloads.
  bool watches_file() const { return watches_file_; }
  // Any thread. False when its folder cannot be watched.
  bool watch_also(const std::string& file);

 private:
  void run();
  struct Changes {
    bool of_config = false, of_others = false;
  };
  Changes drain_inotify() const;

  std::function<void(int)> on_signal_;
  std::function<void()> on_change_, on_other_change_;
  std::vector<int> config_watches_;
  int inotify_ = -1, signals_ = -1, stop_ = -1;
  bool watches_file_ = false;
  std::thread thread_;
};

}  // namespace sluice::control
