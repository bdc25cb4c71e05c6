#pragma once
// One accepted connection of a sample service: buffered blocking reads and whole writes.
// Owned and used by the thread that serves the connection.

#include <cstddef>
#include <string>
#include <string_view>

namespace demo {

class Connection {
 public:
  explicit Connection(int descriptor) : descriptor_(descriptor) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Received bytes not yet consumed.
  std::string_view pending() const { return std::string_view(received_).substr(begin_); }
  // Waits for more bytes, at most a minute. False at end of stream, on an error and on time-out.
  bool receive();
  void consume(std::size_t count);

  // Sends all of it. False when the peer is gone.
  bool send(std::string_view bytes);

 private:
  int descriptor_;
  std::string received_;
  std::size_t begin_ = 0;
};

}  // namespace demo
