#include "connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace demo {

Connection::~Connection() { ::close(descriptor_); }

bool Connection::receive() {
  if (begin_ == received_.size()) received_.clear(), begin_ = 0;
  char block[16384];
  ssize_t count = 0;
  do {
    count = ::recv(descriptor_, block, sizeof block, 0);  // SO_RCVTIMEO bounds the wait
  } while (count < 0 && errno == EINTR);
  if (count <= 0) return false;
  received_.append(block, static_cast<std::size_t>(count));
  return true;
}

void Connection::consume(std::size_t count) {
  begin_ += count;
  if (begin_ == received_.size()) received_.clear(), begin_ = 0;
  if (begin_ > 65536) received_.erase(0, begin_), begin_ = 0;
}

bool Connection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace demo
