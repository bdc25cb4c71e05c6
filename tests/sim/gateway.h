#pragma once
// The gateway in the simulated world: real workers on simulated loops, plans compiled from YAML, and what the control
// thread does to them. What control::Service adds to that (threads, files, signals, the admin pages) is not here.

#include <memory>
#include <string>
#include <vector>

#include "gateway/plan_compiler.h"
#include "gateway/worker.h"
#include "ledger.h"
#include "net/sim/sim_loop.h"

namespace sluice::sim {

net::Address listener_address(int number);
net::Address endpoint_address(int group, int number);
std::string yaml_of(const Scenario& scenario, const Change& config);

class Gateway {
 public:
  Gateway(const Scenario& scenario, net::sim::Network& network, Ledger& ledger);

  void load(const Change& config);  // compiles and publishes
  void drain();
  void cut();
  bool is_drained() const { return drained_ == workers_.size(); }

  // What must hold between any two turns. False when the run cannot go on: memory may be gone that is still in use.
  bool check_always();
  // What must hold after the drain, when the world is still.
  void check_emptiness();
  void read_logs();

 private:
  struct OpenListener {
    std::string name;
    net::Address address;
  };
  struct Member {
    net::sim::SimLoop* loop;
    std::unique_ptr<ByteRing> ring;
    std::unique_ptr<gateway::Worker> worker;
  };

  const Scenario& scenario_;
  net::sim::Network& network_;
  Ledger& ledger_;
  gateway::CauseTable causes_;
  gateway::Kept kept_;
  std::vector<Member> workers_;
  std::vector<OpenListener> listeners_;
  std::uint64_t generation_ = 0;
  std::size_t published_ = 0, drained_ = 0;
  bool is_draining_ = false;
};

}  // namespace sluice::sim
