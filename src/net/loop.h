#pragma once
// The seam to the operating system: time, sockets, timers, randomness and messages between threads. One loop per
// worker, run by that worker's thread. Streams, buffers and acceptors are dropped before their loop is. Three backends
// stand behind it: io_uring, epoll, and (for tests) a simulator; no code above net/ asks the system for any of these
// things itself.

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "net/address.h"
#include "net/stream.h"
#include "net/timer.h"
#include "net/turn_end.h"

namespace sluice::net {

// Who closes descriptors that are not the kernel's: the simulator's network.
class DescriptorOwner {
 public:
  virtual void close(int descriptor) = 0;

 protected:
  ~DescriptorOwner() = default;
};

// A listening socket made by the control thread (bind errors are reported there), to be accepted from on a loop.
class ListenSocket {
 public:
  // `owner`: null for the kernel.
  explicit ListenSocket(int descriptor, DescriptorOwner* owner = nullptr) : descriptor_(descriptor), owner_(owner) {}
  ListenSocket(ListenSocket&& other) noexcept : descriptor_(other.descriptor_), owner_(other.owner_) {
    other.descriptor_ = -1;
  }
  ListenSocket& operator=(ListenSocket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(owner_, other.owner_);
    return *this;
  }
  ~ListenSocket();
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
  DescriptorOwner* owner_;
};
// `shared`: by SO_REUSEPORT, one socket per worker on one address. `alone`: fails when anybody else listens there.
enum class Sharing : std::uint8_t { shared, alone };
inline constexpr int listen_backlog = 4096;  // the kernel bounds it by net.core.somaxconn
// Opens, binds and listens. errors: what the kernel says, as static text in `what`; refused/denied/unavailable(in use).
Result<ListenSocket> listen_on(const Address& address, Sharing sharing = Sharing::shared, int backlog = listen_backlog);
Result<Address> bound_address(const ListenSocket& socket);  // the port the kernel chose when 0 was asked for

class AcceptHandler {
 public:
  // The stream reads nothing before set_handler().
  virtual void on_accept(StreamPtr stream) = 0;
  // The system has no descriptor for the next connection. Whether some were given back: then it is tried once more.
  virtual bool make_room() { return false; }

 protected:
  ~AcceptHandler() = default;
};
class Acceptor {
 public:
  // Stops accepting: what stands in the kernel's queue is still accepted (on_accept is called meanwhile), then the
  // socket closes. Not from inside on_accept.
  virtual ~Acceptor() = default;
};

enum class LoopKind : std::uint8_t { epoll, uring, sim };  // sim: in tests only, make_loop() has none

class Loop {
 public:
  virtual ~Loop() = default;

  virtual Instant now() const = 0;        // read once per turn of the loop
  virtual WallTime wall_now() const = 0;  // read once per turn
  virtual std::uint64_t random() = 0;     // not for keys; fast (xoshiro), seeded from the kernel

  virtual void set_timer(Timer& timer, Duration after) = 0;  // sets it anew when it is set already
  // Has `work` run once when this turn's events were handled, before what was written leaves.
  virtual void at_turn_end(TurnEnd& work) = 0;

  // Starts a connect; the handler hears on_connected or on_failed. Give up by dropping the stream.
  virtual StreamPtr connect(const Address& to, StreamHandler& handler) = 0;
  virtual std::unique_ptr<Acceptor> accept_from(ListenSocket socket, AcceptHandler& handler) = 0;
  // While accepting is paused (too many connections) new ones wait in the kernel's queue.
  virtual void pause_accepting(bool paused) = 0;

  // Streams let go with flush_and_close that are still on their way out: who means to stop the loop waits for 0.
  virtual std::size_t leaving() const = 0;

  // A block to build output in, capacity at least `bytes` (at most 64 KiB).
  virtual Buffer make_buffer(std::size_t bytes) = 0;
  // A second handle on the same bytes, which then are for reading only. No copy.
  virtual Buffer share(Buffer& buffer) = 0;

  // Bytes of all blocks that are out: received and kept, or waiting to be sent. Where a backend does not count: 0.
  virtual std::uint64_t lent_bytes() const { return 0; }

  // Runs `task` on the loop's thread soon. The only call that other threads may make.
  virtual void post(std::move_only_function<void()> task) = 0;

  virtual void run() = 0;   // until stop()
  virtual void stop() = 0;  // from a callback or a posted task

  struct Counters {  // read by any thread; written by the loop's with relaxed stores
    std::uint64_t turns, received_bytes, sent_bytes, receives, sends, accepts, accept_errors, connects;
    bool is_waiting;  // for events: it has nothing to do
  };
  virtual Counters counters() const = 0;
  virtual LoopKind kind() const = 0;
};

// errors: unsupported when the kernel (or a container's rules) refuses io_uring; the text says which step was refused;
// and for the simulator, which is no part of the product (net/sim/sim_loop.h).
Result<std::unique_ptr<Loop>> make_loop(LoopKind kind);
// True when a ring with the features we need can be made here: the probe behind `--loop auto`.
bool uring_works();

}  // namespace sluice::net
