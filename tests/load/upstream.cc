#include "upstream.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "answer.h"

namespace load {

namespace {

volatile sig_atomic_t is_stop_wanted = 0;

void watch(int epoll, int descriptor) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = descriptor}};
  (void)::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

}  // namespace

int Upstream::run() {
  struct sigaction action{};
  action.sa_handler = [](int) { is_stop_wanted = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  port_ = settings_.port;
  if (!listen()) return 1;
  fmt::print("{}\n", port_);
  std::fflush(stdout);

  bool is_up = true;
  Clock::time_point turns_at = settings_.flap.count() > 0 ? Clock::now() + settings_.flap : Clock::time_point::max();
  std::array<epoll_event, 256> events;
  while (is_stop_wanted == 0) {
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 5);
    const auto now = Clock::now();
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == listener_)
        accept_all();
      else
        receive(events[i].data.fd);
    }
    send_due(now);
    if (now < turns_at) continue;
    turns_at = now + settings_.flap;
    is_up = !is_up;
    if (!is_up) close_all();
    if (is_up && !listen()) return 1;
  }
  fmt::print("{{\"accepted\":{},\"requests\":{},\"most_open\":{},\"most_accepted_in_a_second\":{}}}\n", accepted_,
             requests_, most_open_, std::max(most_in_a_second_, in_this_second_));
  return 0;
}

bool Upstream::listen() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int one = 1;
  (void)::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port_), .sin_addr = {}, .sin_zero = {}};
  ::inet_pton(AF_INET, settings_.address.c_str(), &address.sin_addr);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(listener_, 1024) != 0) {
    std::perror("upstream: listen");
    return false;
  }
  (void)::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  watch(epoll_, listener_);
  return true;
}

void Upstream::close_all() {
  ::close(listener_);
  listener_ = -1;
  for (const auto& [descriptor, connection] : connections_) ::close(descriptor);
  connections_.clear();
}

void Upstream::accept_all() {
  for (;;) {
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) return;
    const int one = 1;
    (void)::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connections_[descriptor] = {};
    watch(epoll_, descriptor);
    ++accepted_;
    most_open_ = std::max<std::uint64_t>(most_open_, connections_.size());
    if (Clock::now() >= second_ends_) {
      most_in_a_second_ = std::max(most_in_a_second_, std::exchange(in_this_second_, 0));
      second_ends_ = Clock::now() + std::chrono::seconds(1);
    }
    ++in_this_second_;
  }
}

void Upstream::drop(int descriptor) {
  ::close(descriptor);
  connections_.erase(descriptor);
}

void Upstream::receive(int descriptor) {
  const auto found = connections_.find(descriptor);
  if (found == connections_.end()) return;  // closed in this turn
  Connection& connection = found->second;
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t count = ::recv(descriptor, buffer, sizeof buffer, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (count <= 0) return drop(descriptor);
    connection.in.append(buffer, static_cast<std::size_t>(count));
  }
  while (answer_one(connection)) {
  }
  if (connection.out.empty()) return;
  connection.is_answer_due = true;
  connection.answer_at = Clock::now() + settings_.delay;
  if (settings_.delay.count() == 0) (void)flush(descriptor, connection);
}

// Takes one request off what came and appends its answer.
bool Upstream::answer_one(Connection& connection) const {
  const std::size_t end = connection.in.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  std::string_view head(connection.in.data(), end);
  std::size_t body = 0;
  if (const std::size_t at = head.find("content-length: "); at != std::string_view::npos)
    std::from_chars(head.data() + at + 16, head.data() + head.size(), body);
  if (connection.in.size() < end + 4 + body) return false;
  const std::size_t from = head.find('/') + 1;
  const std::string_view target = head.substr(from, head.find(' ', from) - from);
  const std::size_t slash = target.find('/');
  std::size_t size = 0;
  if (slash != std::string_view::npos) std::from_chars(target.data() + slash + 1, target.data() + target.size(), size);
  const std::string text = body_for(settings_.name, target.substr(0, slash), std::min<std::size_t>(size, 1 << 20));
  connection.out +=
      fmt::format("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", text.size());
  connection.out += text;
  connection.in.erase(0, end + 4 + body);
  ++requests_;
  return true;
}

// False when the connection is gone.
bool Upstream::flush(int descriptor, Connection& connection) {
  const ssize_t count = ::send(descriptor, connection.out.data() + connection.sent,
                               connection.out.size() - connection.sent, MSG_NOSIGNAL);
  if (count < 0 && errno != EAGAIN) {
    drop(descriptor);
    return false;
  }
  if (count > 0) connection.sent += static_cast<std::size_t>(count);
  connection.is_answer_due = connection.sent < connection.out.size();
  if (connection.is_answer_due) return true;
  connection.out.clear();
  connection.sent = 0;
  return true;
}

void Upstream::send_due(Clock::time_point now) {
  std::vector<int> due;
  for (const auto& [descriptor, connection] : connections_)
    if (connection.is_answer_due && now >= connection.answer_at) due.push_back(descriptor);
  for (const int descriptor : due) (void)flush(descriptor, connections_[descriptor]);
}

}  // namespace load
