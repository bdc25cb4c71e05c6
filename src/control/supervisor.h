#pragma once
// The process that `sluice run` is: it holds the listening sockets, starts the gateway process, starts it anew when it
// dies, and forwards signals. One thread, no loop of net's, no byte from the network. Fit to be process 1.
// What it decides is in supervision.h; here are its hands.

#include <map>
#include <string>
#include <vector>

#include "control/channel.h"
#include "control/socket_store.h"
#include "control/supervision.h"
#include "control/upgrade_outcomes.h"

namespace sluice::control {

struct SupervisorOptions {
  std::vector<std::string> arguments;  // of this process, with the program's name; gateway processes get the same
  std::string pid_file;                // "": none
  SupervisionSettings settings;
};

class Supervisor final : private SupervisorHands {
 public:
  explicit Supervisor(SupervisorOptions options);

  // Until a signal or the gateway process's orderly end. Returns the exit code.
  int run();

 private:
  bool open_signals();
  bool take_state();  // from the supervisor before exec; false when there is none
  bool write_pid_file() const;
  void turn();
  void read_signals();
  void reap();
  void read_channel(int process);
  void handle(int process, Message message);
  void listen(int process, std::string_view text);
  void release(int process, std::string_view keys);
  void greet(int process, std::string_view text);

  std::expected<int, std::string> start(const StartOrder& order) override;
  [[noreturn]] void run_gateway(const StartOrder& order, const Channel& channel) const;
  void signal(int process, int number) override;
  void tell(int process, std::string_view message) override;
  bool is_stopped(int process) override;
  void report(Level level, std::string text) override;
  void serves(int process) override;
  void become_new_binary() override;
  void stay_old_binary(Level level, std::string why);
  void upgrade_failed(std::string_view why) override { outcomes_.note(false, why); }
  std::uint32_t random() override;
  std::vector<int> inheritable_descriptors() const;  // what goes along when this process executes another binary

  struct Gateway {
    Channel channel;
    StartOrder order;    // until it has said hello
    int state_form = 0;  // that its binary reads
  };
  SupervisorOptions options_;
  std::string executable_;  // path, as it was called by
  Supervision supervision_;
  SocketStore sockets_;
  UpgradeOutcomes outcomes_;
  std::map<int, Gateway> gateways_;  // by process id
  Descriptor signals_;
};

}  // namespace sluice::control
