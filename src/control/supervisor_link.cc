#include "control/supervisor_link.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <array>

#include "base/clock.h"
#include "config/document.h"
#include "control/memory_file.h"
#include "control/supervisor_state.h"

namespace sluice::control {

namespace {

ConfigChoice choice_of(std::string_view word) {
  if (word == "file_or_kept") return ConfigChoice::file_or_kept;
  if (word == "kept") return ConfigChoice::kept;
  return word == "stored" ? ConfigChoice::stored : ConfigChoice::file;
}

bool is_answer(std::string_view verb) {
  return verb == "start" || verb == "sockets" || verb == "refused" || verb == "released";
}

}  // namespace

SupervisorLink::~SupervisorLink() {
  if (!thread_.joinable()) return;
  (void)::eventfd_write(stop_.number(), 1);  // an eventfd takes it
  thread_.join();
}

std::optional<SupervisorLink::Order> SupervisorLink::start(std::string_view version, Events events) {
  events_ = std::move(events);
  stop_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  thread_ = std::thread([this] { run(); });
  say(fmt::format("hello {} {} {}", channel_protocol, supervisor_state_form, version));
  const auto answer = wait_answer();
  if (!answer) return std::nullopt;
  std::string_view text = answer->text;
  if (take_word(text) != "start") return std::nullopt;
  Order order{.choice = choice_of(take_word(text)), .kept = {}, .reason = std::string(text)};
  if (!answer->descriptors.empty())
    order.kept = read_memory_file(answer->descriptors.front().number(), config::max_file_bytes);
  return order;
}

std::expected<std::vector<net::ListenSocket>, std::string> SupervisorLink::open(const SocketWish& wish) {
  say(fmt::format("listen {} {} {} {}", wish.count, wish.sharing == net::Sharing::alone ? "alone" : "shared", wish.key,
                  wish.address.text()));
  std::vector<net::ListenSocket> sockets;
  for (;;) {
    auto answer = wait_answer();
    if (!answer) return std::unexpected("the supervisor does not answer");
    std::string_view text = answer->text;
    long long total = 0;
    if (take_word(text) != "sockets" || !take_number(text, 1, 1 << 20, total))
      return std::unexpected(std::string(text));
    for (Descriptor& one : answer->descriptors) sockets.emplace_back(one.take());
    if (sockets.size() >= static_cast<std::size_t>(total)) return sockets;
    // The kernel hands over fewer when this process may open no more.
    if (answer->descriptors.empty()) return std::unexpected("no descriptor is left for its sockets (ulimit -n)");
  }
}

void SupervisorLink::release(std::span<const std::string> keys) {
  for (const std::string& key : keys) {
    say("release " + key);
    (void)wait_answer();  // without one there is no supervisor that could hold it open
  }
}

void SupervisorLink::say_active(std::string_view hash, std::string_view config_text) {
  const Descriptor file = make_memory_file("sluice-config", config_text);
  const int number = file.number();
  if (file) (void)channel_.send(fmt::format("active {}", hash), std::span(&number, 1));
}

std::optional<Message> SupervisorLink::wait_answer() {
  std::unique_lock lock(mutex_);
  const bool is_there = answered_.wait_for(lock, answer_patience, [&] { return is_lost_ || !answers_.empty(); });
  if (!is_there || answers_.empty()) return std::nullopt;
  Message answer = std::move(answers_.front());
  answers_.erase(answers_.begin());
  return answer;
}

void SupervisorLink::take(Message message) {
  std::string_view text = message.text;
  if (!is_answer(take_word(text))) return events_.on_message(std::move(message.text));
  {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(message));
  }
  answered_.notify_one();
}

void SupervisorLink::run() {
  Instant next_beat = read_steady_clock();
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_beat - read_steady_clock());
    std::array<pollfd, 2> waits{{{stop_.number(), POLLIN, 0}, {channel_.descriptor(), POLLIN, 0}}};
    (void)::poll(waits.data(), waits.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (waits[0].revents != 0) return;
    if (read_steady_clock() >= next_beat) {
      say("beat");
      next_beat = read_steady_clock() + beat_interval;
    }
    Message message;
    auto received = Channel::Received::message;
    while ((received = channel_.receive(message)) == Channel::Received::message) take(std::exchange(message, {}));
    if (received != Channel::Received::closed) continue;
    {
      const std::lock_guard lock(mutex_);
      is_lost_ = true;
    }
    answered_.notify_one();
    return events_.on_lost();
  }
}

}  // namespace sluice::control
