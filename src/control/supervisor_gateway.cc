// The supervisor and one gateway process: start it, talk with it.

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <span>

#include "base/clock.h"
#include "control/executable.h"
#include "control/exit_code.h"
#include "control/memory_file.h"
#include "control/process_environment.h"
#include "control/supervisor.h"
#include "control/supervisor_state.h"

namespace sluice::control {

namespace {

constexpr const char* own_binary = "/proc/self/exe";  // also when the file has been replaced since

std::vector<char*> pointers(const std::vector<std::string>& arguments) {
  std::vector<char*> all;
  for (const std::string& argument : arguments) all.push_back(const_cast<char*>(argument.c_str()));
  all.push_back(nullptr);
  return all;
}

constexpr std::array<const char*, 4> choice_words{"file", "file_or_kept", "kept", "stored"};

}  // namespace

// A fresh exec each time, not a bare fork: what one process learnt of addresses and canaries is of no use with the
// next.
std::expected<int, std::string> Supervisor::start(const StartOrder& order) {
  auto channels = Channel::make_pair();
  if (!channels) return std::unexpected(std::string(strerrordesc_np(channels.error())));
  const pid_t child = ::fork();
  if (child < 0) return std::unexpected(std::string(strerrordesc_np(errno)));
  if (child == 0) run_gateway(order, channels->second);
  gateways_.emplace(child, Gateway{.channel = std::move(channels->first), .order = order});
  return child;
}

// In the child. Signals stay blocked: those that come before it waits for them are not lost and do not kill it.
void Supervisor::run_gateway(const StartOrder& order, const Channel& channel) const {
  ::setpgid(0, 0);  // Ctrl-C reaches the supervisor alone, which forwards it
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  set_inherited(channel.descriptor(), true);
  put_inherited(channel_variable, channel.descriptor());
  const char* const binary = order.binary == Binary::on_disk ? executable_.c_str() : own_binary;
  ::execv(binary, pointers(options_.arguments).data());
  say(Level::error, fmt::format("supervisor: {} cannot be started: {}", binary, strerrordesc_np(errno)));
  ::_exit(exit_start);
}

void Supervisor::read_channel(int process) {
  Message message;
  for (;;) {
    const auto gateway = gateways_.find(process);
    if (gateway == gateways_.end()) return;
    const auto received = gateway->second.channel.receive(message);
    if (received == Channel::Received::message) {
      handle(process, std::move(message));
      message = {};
      continue;
    }
    if (received == Channel::Received::closed)
      gateway->second.channel = Channel(Descriptor());  // its end will be reaped
    return;
  }
}

void Supervisor::handle(int process, Message message) {
  std::string_view text = message.text;
  const std::string_view verb = take_word(text);
  if (verb == "listen") {
    listen(process, text);
  } else if (verb == "release") {
    release(process, text);
  } else if (verb == "hello") {
    greet(process, text);
  }
  Descriptor file = message.descriptors.empty() ? Descriptor() : std::move(message.descriptors.front());
  supervision_.on_message(process, message.text, std::move(file), read_steady_clock());
}

void Supervisor::greet(int process, std::string_view text) {
  Gateway& gateway = gateways_.at(process);
  long long protocol = 0;
  long long form = 0;
  if (take_number(text, 1, 1 << 20, protocol) && take_number(text, 1, 1 << 20, form))
    gateway.state_form = static_cast<int>(form);
  const StartOrder order = std::exchange(gateway.order, {});
  const int kept = order.kept ? order.kept.file->number() : -1;
  const std::string_view choice = choice_words[static_cast<std::size_t>(order.choice)];
  (void)gateway.channel.send(
      fmt::format("start {} {}", choice, order.reason),
      order.kept ? std::span(&kept, 1) : std::span<const int>());  // its queue is empty: room is there
}

void Supervisor::listen(int process, std::string_view text) {
  long long count = 0;
  SocketWish wish;
  const bool is_counted = take_number(text, 1, 1024, count);
  wish.sharing = take_word(text) == "alone" ? net::Sharing::alone : net::Sharing::shared;
  wish.key = take_word(text);
  const auto address = net::Address::parse(take_word(text));
  if (!is_counted || wish.key.empty() || !address) return tell(process, "refused the request cannot be read");
  wish.count = static_cast<unsigned>(count);
  wish.address = *address;
  const auto entry = sockets_.want(process, wish);
  if (!entry) return tell(process, fmt::format("refused {}", entry.error()));
  std::vector<int> numbers;
  for (const net::ListenSocket& socket : (*entry)->sockets) numbers.push_back(socket.descriptor());
  const Channel& channel = gateways_.at(process).channel;
  const std::string answer = fmt::format("sockets {}", numbers.size());
  for (std::size_t at = 0; at < numbers.size(); at += Channel::most_descriptors)
    (void)channel.send(answer,
                       std::span(numbers).subspan(at, std::min(Channel::most_descriptors, numbers.size() - at)));
}

void Supervisor::release(int process, std::string_view keys) {
  for (std::string_view key = take_word(keys); !key.empty(); key = take_word(keys))
    sockets_.release(process, std::string(key));
  tell(process, "released");
}

void Supervisor::signal(int process, int number) { ::kill(process, number); }

void Supervisor::tell(int process, std::string_view message) {
  const auto gateway = gateways_.find(process);
  if (gateway != gateways_.end()) (void)gateway->second.channel.send(message);  // a dead one is noticed elsewhere
}

// The state is the word after the name, which stands in brackets and may hold anything.
bool Supervisor::is_stopped(int process) {
  std::array<char, 512> text{};
  const Descriptor file(::open(fmt::format("/proc/{}/stat", process).c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t got = file ? ::read(file.number(), text.data(), text.size()) : 0;
  const std::string_view line(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  const std::size_t end = line.rfind(')');
  const char state = end != std::string_view::npos && end + 2 < line.size() ? line[end + 2] : '?';
  return state == 'T' || state == 't';
}

void Supervisor::report(Level level, std::string text) { say(level, "supervisor: " + text); }

void Supervisor::serves(int) { sockets_.close_unwanted(); }

std::uint32_t Supervisor::random() {
  std::uint32_t value = 0;
  (void)::getrandom(&value, sizeof value, GRND_NONBLOCK);  // without it there is no jitter, and no harm
  return value;
}

void Supervisor::become_new_binary() {
  for (const GatewayProcess& process : supervision_.state().processes) {
    if (process.role != Role::current) continue;
    const int form = gateways_.at(process.id).state_form;
    if (form != supervisor_state_form)
      return stay_old_binary(Level::warning, "the new binary cannot take over from this one");
  }
  std::vector<SupervisorState::ProcessChannel> channels;
  for (const auto& [process, gateway] : gateways_) channels.push_back({process, gateway.channel.descriptor()});
  const std::string text = write_state(supervision_.state(), sockets_, channels, executable_, outcomes_.descriptor());
  const Descriptor state = make_memory_file("sluice-supervisor", text);
  if (!state) return stay_old_binary(Level::error, "no memory to hand over");
  for (const int descriptor : inheritable_descriptors()) set_inherited(descriptor, true);
  set_inherited(state.number(), true);
  put_inherited(supervisor_state_variable, state.number());
  ::execv(executable_.c_str(), pointers(options_.arguments).data());
  const int error = errno;
  drop_inherited(supervisor_state_variable);
  for (const int descriptor : inheritable_descriptors()) set_inherited(descriptor, false);
  stay_old_binary(Level::error, fmt::format("{} cannot be executed: {}", executable_, strerrordesc_np(error)));
}

// The new gateway process serves all the same.
void Supervisor::stay_old_binary(Level level, std::string why) {
  why += ": the supervisor stays the old binary; start it anew when it suits";
  outcomes_.note(true, "the new binary serves, but " + why);
  report(level, std::move(why));
}

}  // namespace sluice::control
