#include "control/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "control/executable.h"
#include "control/exit_code.h"
#include "control/memory_file.h"
#include "control/process_environment.h"
#include "control/supervisor_state.h"

namespace sluice::control {

Supervisor::Supervisor(SupervisorOptions options)
    : options_(std::move(options)), supervision_(*this, options_.settings) {}

bool Supervisor::open_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD}) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = Descriptor(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  return static_cast<bool>(signals_);
}

bool Supervisor::write_pid_file() const {
  if (options_.pid_file.empty()) return true;
  const std::string text = fmt::format("{}\n", ::getpid());
  const Descriptor file(::open(options_.pid_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (file && ::write(file.number(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return true;
  say(Level::error, fmt::format("cannot write the pid file {}: {}", options_.pid_file, strerrordesc_np(errno)));
  return false;
}

int Supervisor::run() {
  if (!open_signals()) {
    say(Level::error, fmt::format("cannot wait for signals: {}", strerrordesc_np(errno)));
    return exit_start;
  }
  if (!take_state()) {
    executable_ = executable_path(options_.arguments.front());
    if (!write_pid_file()) return exit_start;
    supervision_.begin(read_steady_clock());
  }
  while (!supervision_.is_over()) turn();
  if (!options_.pid_file.empty()) ::unlink(options_.pid_file.c_str());
  return supervision_.exit_code();
}

bool Supervisor::take_state() {
  const Descriptor file = take_inherited(supervisor_state_variable);
  if (!file) return false;
  const auto text = read_memory_file(file.number(), std::size_t{16} << 20);
  auto state = text ? read_state(*text) : std::nullopt;
  if (!state) {
    report(Level::error, "what the former binary handed over cannot be read: starting anew");
    return false;
  }
  executable_ = std::move(state->executable);
  for (const auto& [process, descriptor] : state->channels)
    gateways_.emplace(process, Gateway{.channel = Channel(Descriptor(descriptor)), .order = {}});
  for (SocketStore::Entry& entry : state->sockets) sockets_.adopt(std::move(entry));
  if (state->outcomes >= 0) outcomes_ = UpgradeOutcomes(Descriptor(state->outcomes));
  supervision_.resume(std::move(state->supervision), read_steady_clock());
  for (const int descriptor : inheritable_descriptors()) set_inherited(descriptor, false);
  report(Level::info, fmt::format("upgrade done: this is sluice {}", SLUICE_VERSION));
  outcomes_.note(true, fmt::format("sluice {} serves", SLUICE_VERSION));
  reap();
  return true;
}

std::vector<int> Supervisor::inheritable_descriptors() const {
  std::vector<int> all;
  if (outcomes_.descriptor() >= 0) all.push_back(outcomes_.descriptor());
  for (const auto& [process, gateway] : gateways_) all.push_back(gateway.channel.descriptor());
  for (const SocketStore::Entry& entry : sockets_.entries())
    for (const net::ListenSocket& socket : entry.sockets) all.push_back(socket.descriptor());
  for (const KeptConfig* config : {&supervision_.state().active, &supervision_.state().good})
    if (*config) all.push_back(config->file->number());
  return all;
}

void Supervisor::turn() {
  const Instant next = supervision_.next_deadline();
  const Duration wait = std::max(next == Instant::min() ? Duration(0) : next - read_steady_clock(), Duration(0));
  std::vector<pollfd> waits{{.fd = signals_.number(), .events = POLLIN, .revents = 0}};
  std::vector<int> processes;
  for (const auto& [process, gateway] : gateways_) {
    waits.push_back({.fd = gateway.channel.descriptor(), .events = POLLIN, .revents = 0});
    processes.push_back(process);
  }
  const auto wait_ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  if (::poll(waits.data(), waits.size(), static_cast<int>(wait_ms)) > 0) {
    // Channels first: what a process said before it died was said before it died.
    for (std::size_t i = 0; i < processes.size(); ++i)
      if (waits[i + 1].revents != 0) read_channel(processes[i]);
    if (waits[0].revents != 0) read_signals();
  }
  if (!supervision_.is_over()) supervision_.on_time(read_steady_clock());
}

void Supervisor::read_signals() {
  signalfd_siginfo info;
  while (::read(signals_.number(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      reap();
    } else {
      supervision_.on_signal(static_cast<int>(info.ssi_signo), read_steady_clock());
    }
  }
}

void Supervisor::reap() {
  int status = 0;
  for (pid_t child = ::waitpid(-1, &status, WNOHANG); child > 0; child = ::waitpid(-1, &status, WNOHANG)) {
    const bool is_by_signal = WIFSIGNALED(status);
    const ProcessEnd end{is_by_signal, is_by_signal ? WTERMSIG(status) : WEXITSTATUS(status)};
    read_channel(child);
    gateways_.erase(child);
    sockets_.forget(child);
    supervision_.on_end(child, end, read_steady_clock());
    if (supervision_.serves()) sockets_.close_unwanted();
  }
}

}  // namespace sluice::control
