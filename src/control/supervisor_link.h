#pragma once
// The gateway process's end of the channel to its supervisor: listening sockets from it, signs of life to it. A thread
// of its own reads and beats; the control thread asks.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "control/channel.h"
#include "control/socket_source.h"
#include "control/supervision.h"

namespace sluice::control {

class SupervisorLink final : public SocketSource {
 public:
  static constexpr Duration beat_interval = std::chrono::milliseconds(500);
  static constexpr Duration answer_patience = std::chrono::seconds(10);

  // What this process was started with. `kept` is the text handed over, when there is one.
  struct Order {
    ConfigChoice choice = ConfigChoice::file;
    std::optional<std::string> kept;
    std::string reason;
  };
  // On the link's thread: a message that answers no question; the supervisor's end.
  struct Events {
    std::function<void(std::string)> on_message;
    std::function<void()> on_lost;
  };

  explicit SupervisorLink(Channel channel) : channel_(std::move(channel)) {}
  ~SupervisorLink() override;

  // Says hello and begins to beat. Absent when the supervisor does not answer.
  std::optional<Order> start(std::string_view version, Events events);

  // ---- SocketSource, from the control thread
  std::expected<std::vector<net::ListenSocket>, std::string> open(const SocketWish& wish) override;
  void release(std::span<const std::string> keys) override;

  // ---- from any thread; what does not get through is lost with the supervisor
  void say(std::string_view message) { (void)channel_.send(message); }
  void say_active(std::string_view hash, std::string_view config_text);

 private:
  void run();
  void take(Message message);
  std::optional<Message> wait_answer();

  Channel channel_;
  Descriptor stop_;  // an eventfd
  Events events_;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::vector<Message> answers_;  // guarded by mutex_
  bool is_lost_ = false;          // guarded by mutex_
  std::thread thread_;
};

}  // namespace sluice::control
