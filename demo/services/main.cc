// The sample services: `demo-services --service users-1:7001 --service payments:7003`, each on 127.0.0.1. One whose name
// begins with `greeter` speaks gRPC (../greeter.proto), all others HTTP/1.1.
// A thread accepts per service, a thread serves per connection: simple, and enough for a sample. SIGTERM ends it at
// once.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "grpc.h"
#include "service.h"

namespace {

constexpr int connection_limit = 4096;  // more are closed as they come
std::atomic<int> open_connections = 0;

struct Listener {
  std::string name;
  std::uint16_t port = 0;
  int descriptor = -1;
};

int usage() {
  std::fputs("usage: demo-services --service NAME:PORT [--service NAME:PORT ...]\n", stderr);
  return 2;
}

bool parse_listener(std::string_view text, Listener& out) {
  const auto colon = text.rfind(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  out.name = text.substr(0, colon);
  const auto port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  return error == std::errc{} && end == port.data() + port.size() && out.port != 0;
}

bool open_listener(Listener& listener) {
  const int one = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(listener.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  listener.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::setsockopt(listener.descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(listener.descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      ::listen(listener.descriptor, 1024) == 0) {
    return true;
  }
  std::fprintf(stderr, "%s: cannot listen on 127.0.0.1:%d: %s\n", listener.name.c_str(), listener.port,
               std::strerror(errno));
  return false;
}

void accept_all(const Listener& listener) {
  const int one = 1;
  const timeval patience{.tv_sec = 60, .tv_usec = 0};
  for (;;) {
    const int descriptor = ::accept4(listener.descriptor, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));  // out of descriptors, or the peer left already
      continue;
    }
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (open_connections.fetch_add(1) >= connection_limit) {
      open_connections.fetch_sub(1);
      ::close(descriptor);
      continue;
    }
    std::thread([descriptor, &listener] {
      const bool speaks_grpc = listener.name.starts_with("greeter");
      (speaks_grpc ? demo::serve_grpc : demo::serve)(descriptor, listener.name);
      open_connections.fetch_sub(1);
    }).detach();
  }
}

}  // namespace

int main(int count, char** words) {
  std::vector<Listener> listeners;
  for (int i = 1; i < count; i += 2) {
    Listener listener;
    if (std::string_view(words[i]) != "--service" || i + 1 >= count || !parse_listener(words[i + 1], listener))
      return usage();
    listeners.push_back(listener);
  }
  if (listeners.empty()) return usage();

  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // before any thread: all inherit it, and only sigwait below sees them

  for (auto& listener : listeners) {
    if (!open_listener(listener)) return 1;
  }
  for (const auto& listener : listeners) std::thread(accept_all, std::cref(listener)).detach();
  int signal = 0;
  sigwait(&ends, &signal);
  std::fflush(nullptr);
  ::_exit(0);  // detached threads still run: nothing may be torn down under them
}
