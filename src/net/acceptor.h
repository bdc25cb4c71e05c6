#pragma once
// Accepts connections from one listening socket, in batches, and backs off while the process is out of descriptors or
// memory. Both kernel backends say when to try; accept4 itself is the same. Only on the loop's thread.

#include "net/loop.h"

namespace sluice::net {

class SocketLoop;

class SocketAcceptor final : public Acceptor {
 public:
  static constexpr int most_per_turn = 16;                              // so that a flood does not starve streams
  static constexpr Duration back_off = std::chrono::milliseconds(100);  // after EMFILE and its like

  SocketAcceptor(SocketLoop& loop, ListenSocket socket, AcceptHandler& handler);
  ~SocketAcceptor() override;  // accepts what is queued, then closes; on_accept is called meanwhile

  int descriptor() const { return socket_.descriptor(); }
  // Accepts what waits, at most `most_per_turn`.
  void accept_batch();
  // Tells the backend whether readiness of the socket is of interest.
  void update_watch();

  // The backend's note of its own: what it has registered for this acceptor.
  void* watch_state = nullptr;

 private:
  enum class Outcome : std::uint8_t { accepted, nothing_waits, exhausted };
  Outcome accept_one();
  bool make_room();
  void try_again();

  SocketLoop& loop_;
  ListenSocket socket_;
  AcceptHandler& handler_;
  Timer back_off_;
};

}  // namespace sluice::net
