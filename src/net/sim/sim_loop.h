#pragma once
// The third backend: a loop whose system is a sim::Network. Any number of them live in one thread; the network decides
// whose turn it is. For tests only: the product does not link it.

#include <map>
#include <memory>
#include <vector>

#include "net/sim/network.h"
#include "net/sim/sim_stream.h"
#include "net/socket_loop.h"
#include "net/stream_pool.h"

namespace sluice::net::sim {

class SimLoop final : public SocketLoop, private Watcher, private Turner {
 public:
  // `network` must outlive it.
  explicit SimLoop(Network& network);
  ~SimLoop() override;

  StreamPtr connect(const Address& to, StreamHandler& handler) override;
  // With one loop in the network: runs the whole world until stop(), or until nothing can happen any more. With several
  // whoever runs them calls Network::step(); they run until stop().
  void run() override;
  // From any code of the simulated world.
  void post(std::move_only_function<void()> task) override { tasks_.push_back(std::move(task)); }
  LoopKind kind() const override { return LoopKind::sim; }

  // What is in use, for tests that look for leaks.
  struct Use {
    std::size_t timers, block_bytes, streams;
    std::size_t most_unsent_bytes;  // of any one stream, ever
  };
  Use use() const { return {wheel_.count(), memory_.blocks.lent_bytes(), streams_.in_use(), most_unsent_bytes_}; }

  // For streams and acceptors.

  Network& network() { return network_; }
  void enroll(int descriptor, SimStream& stream) { streams_by_descriptor_[descriptor] = &stream; }
  void dismiss(int descriptor) { streams_by_descriptor_.erase(descriptor); }
  void note_unsent(std::size_t bytes) { most_unsent_bytes_ = std::max(most_unsent_bytes_, bytes); }
  StreamPtr adopt(int descriptor, const Address& peer) override;
  void watch(SocketAcceptor& acceptor, bool wanted) override;
  void forget(SocketAcceptor& acceptor) override;
  void prepare_listening(int) override {}
  int take_connection(int listening, Address& peer) override;
  int accept_flags() const override { return 0; }
  using Watcher::on_ready;

 private:
  friend class SimStream;
  void on_ready(int descriptor) override;
  Instant wakes_at() override;
  void turn() override;
  void handle(int descriptor);
  void run_tasks();
  void recycle(SocketStream& stream) override { streams_.give_back(static_cast<SimStream&>(stream)); }

  Network& network_;
  std::map<int, SimStream*> streams_by_descriptor_;
  std::map<int, SocketAcceptor*> acceptors_by_descriptor_;
  std::vector<int> ready_descriptors_;
  std::vector<std::move_only_function<void()>> tasks_;
  std::size_t most_unsent_bytes_ = 0;
  StreamPool<SimStream, SimLoop> streams_;  // last: those that are still open take themselves out of the rest
};

}  // namespace sluice::net::sim
