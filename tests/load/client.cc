#include "client.h"

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
#include <cstring>

namespace load {

namespace {

using std::chrono::milliseconds;
constexpr milliseconds reopen_pause{50};   // after a connection that could not be made
constexpr milliseconds look_interval{50};  // for what is late

volatile sig_atomic_t is_stop_wanted = 0;
volatile sig_atomic_t is_other_wanted = 0;

Clock::duration interval(double rate) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate));
}

}  // namespace

Client::Client(const ClientSettings& settings)
    : settings_(settings),
      ends_(began_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(settings.seconds))),
      report_(began_),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      next_due_(began_ + milliseconds(50)),
      next_short_(began_ + milliseconds(50)),
      next_look_(began_) {
  struct sigaction action{};
  action.sa_handler = [](int) { is_stop_wanted = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  action.sa_handler = [](int) { is_other_wanted = 1; };
  ::sigaction(SIGUSR1, &action, nullptr);
}

Client::~Client() { ::close(epoll_); }

std::string Client::run() {
  for (unsigned i = 0; i < settings_.kept; ++i) {
    Connection& connection = *connections_.emplace_back(std::make_unique<Connection>());
    connection.is_kept = true;
    open(connection, Clock::now());
  }
  std::array<epoll_event, 256> events;
  for (;;) {
    Instant now = Clock::now();
    is_over_ = is_over_ || now >= ends_ || is_stop_wanted != 0;
    if (is_over_ && !is_busy()) return report_.json(now, backlog_.size());
    if (!is_over_) schedule(now);
    if (now >= next_look_) look_for_late(now);
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), patience_ms(now));
    now = Clock::now();
    for (int i = 0; i < count; ++i) {
      Connection& connection = *static_cast<Connection*>(events[i].data.ptr);
      if (connection.state == Connection::State::connecting) connected(connection, now);
      if (connection.state == Connection::State::closed) continue;
      if ((events[i].events & EPOLLOUT) != 0) flush(connection);
      if ((events[i].events & ~EPOLLOUT) != 0) receive(connection, now);
    }
  }
}

// What is under way when time is over is waited for: each has its deadline.
bool Client::is_busy() const {
  return !backlog_.empty() || std::ranges::any_of(connections_, [](const auto& one) { return one->has_request; });
}

int Client::patience_ms(Instant now) const {
  Instant next = next_look_;
  if (!is_over_ && settings_.rate > 0) next = std::min(next, next_due_);
  if (!is_over_ && settings_.short_rate > 0) next = std::min(next, next_short_);
  // Rounded down: rather a turn too many than a request too late.
  return static_cast<int>(std::max<std::int64_t>(0, std::chrono::duration_cast<milliseconds>(next - now).count()));
}

Client::Request Client::make_request(Instant due) {
  const std::uint64_t number = ++number_;
  report_.asked();
  const auto is_turn = [&](unsigned every) { return every != 0 && number % every == 0; };
  return {.tag = fmt::format("t{}", number),
          .size = is_turn(settings_.large_every) ? settings_.large_bytes : 0,
          .is_post = is_turn(settings_.post_every),
          .due = due};
}

void Client::schedule(Instant now) {
  if (settings_.rate > 0) {
    for (; next_due_ <= now; next_due_ += interval(settings_.rate)) backlog_.push_back(make_request(next_due_));
  } else {
    for (std::size_t i = backlog_.size(); i < idle_.size(); ++i) backlog_.push_back(make_request(now));
  }
  if (settings_.short_rate > 0)
    for (; next_short_ <= now; next_short_ += interval(settings_.short_rate)) open_short(next_short_);
  dispatch(now);
}

void Client::dispatch(Instant now) {
  while (!backlog_.empty() && !idle_.empty()) {
    Connection& connection = *idle_.front();
    idle_.pop_front();
    if (connection.state != Connection::State::idle) continue;
    Request request = std::move(backlog_.front());
    backlog_.pop_front();
    send(connection, std::move(request), now);
  }
}

void Client::open_short(Instant due) {
  if (finished_.empty()) finished_.push_back(connections_.emplace_back(std::make_unique<Connection>()).get());
  Connection& connection = *finished_.back();
  finished_.pop_back();
  connection.request = make_request(due);
  connection.has_request = true;
  open(connection, Clock::now());
}

void Client::open(Connection& connection, Instant now) {
  connection.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  connection.state = Connection::State::connecting;
  connection.has_served = false;
  connection.deadline = now + settings_.patience;
  const int one = 1;
  (void)::setsockopt(connection.descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (settings_.from.s_addr != 0) {
    (void)::setsockopt(connection.descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    const sockaddr_in from{.sin_family = AF_INET, .sin_port = 0, .sin_addr = settings_.from, .sin_zero = {}};
    (void)::bind(connection.descriptor, reinterpret_cast<const sockaddr*>(&from), sizeof from);
  }
  const sockaddr_in& to = is_other_wanted != 0 ? settings_.other : settings_.to;
  if (::connect(connection.descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS)
    return fail(connection, "connect_failed", std::strerror(errno), now);
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, .data = {.ptr = &connection}};
  (void)::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.descriptor, &event);
}

void Client::connected(Connection& connection, Instant now) {
  int error = 0;
  socklen_t size = sizeof error;
  (void)::getsockopt(connection.descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0)
    return fail(connection, error == ECONNREFUSED ? "connect_refused" : "connect_failed", std::strerror(error), now);
  report_.connected();
  connection.state = Connection::State::idle;
  if (connection.has_request) return send(connection, std::move(connection.request), now);
  idle_.push_back(&connection);
  dispatch(now);
}

void Client::send(Connection& connection, Request request, Instant now) {
  connection.state = Connection::State::waiting;
  connection.has_request = true;
  connection.request = std::move(request);
  connection.deadline = now + settings_.patience;
  connection.reader.clear();
  const Request& asked = connection.request;
  const bool says_close = !connection.is_kept && asked.tag.back() % 2 == 0;
  connection.unsent =
      fmt::format("{} /{}/{} HTTP/1.1\r\nhost: load\r\n{}{}", asked.is_post ? "POST" : "GET", asked.tag, asked.size,
                  says_close ? "connection: close\r\n" : "", asked.is_post ? "content-length: 100\r\n" : "");
  if (settings_.agent_bytes > 0) connection.unsent += "user-agent: " + std::string(settings_.agent_bytes, 'a') + "\r\n";
  connection.unsent += "\r\n";
  if (asked.is_post) connection.unsent.append(100, 'p');
  flush(connection);
}

// A failed send shows itself by what is received.
void Client::flush(Connection& connection) {
  if (connection.unsent.empty()) return;
  const ssize_t count = ::send(connection.descriptor, connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
  if (count > 0) connection.unsent.erase(0, static_cast<std::size_t>(count));
}

void Client::receive(Connection& connection, Instant now) {
  static char buffer[64 * 1024];
  for (;;) {
    const ssize_t count = ::recv(connection.descriptor, buffer, sizeof buffer, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) return ended(connection, "reset", now);
    if (count == 0) return ended(connection, "closed", now);
    if (connection.state != Connection::State::waiting)
      return fail(connection, "wrong_answer", "bytes that nobody asked for", now);
    switch (connection.reader.take({buffer, static_cast<std::size_t>(count)})) {
      case AnswerReader::State::more:
        continue;
      case AnswerReader::State::malformed:
        return fail(connection, "wrong_answer", connection.reader.seen(), now);
      case AnswerReader::State::whole:
        answered(connection, now);
        if (connection.state != Connection::State::waiting) return;
    }
  }
}

void Client::answered(Connection& connection, Instant now) {
  const Answer& answer = connection.reader.answer();
  const Request& asked = connection.request;
  if (answer.status == 200) {
    const std::string_view upstream = upstream_of(answer.body, asked.tag, asked.size);
    if (upstream.empty()) return fail(connection, "wrong_answer", connection.reader.seen(), now);
    report_.good(upstream, asked.due, now);
  } else {
    const bool is_ours = !answer.cause.empty();
    report_.failed(fmt::format("{} {}", answer.status, is_ours ? answer.cause : "from the upstream"), asked.tag, now);
  }
  const bool closes = answer.closes || !connection.is_kept;
  connection.has_request = false;
  connection.has_served = true;
  if (closes) return close(connection, now);
  connection.state = Connection::State::idle;
  idle_.push_back(&connection);
  dispatch(now);
}

void Client::ended(Connection& connection, const char* how, Instant now) {
  if (connection.state == Connection::State::idle) {
    report_.closed_idle();
    return close(connection, now);
  }
  if (connection.reader.has_begun())
    return fail(connection, "truncated", fmt::format("{}: {}", how, connection.reader.seen()), now);
  if (connection.has_served && !connection.request.is_second) {
    report_.raced();
    connection.request.is_second = true;
    connection.has_request = false;
    backlog_.push_front(std::move(connection.request));
    return close(connection, now);
  }
  fail(connection, std::strcmp(how, "reset") == 0 ? "reset_unanswered" : "closed_unanswered", connection.request.tag,
       now);
}

void Client::fail(Connection& connection, const char* kind, std::string_view detail, Instant now) {
  report_.failed(kind, detail, now);
  connection.has_request = false;
  const bool was_connecting = connection.state == Connection::State::connecting;
  close(connection, was_connecting ? now + reopen_pause : now);
}

// Kept connections are opened again, at the next look after `reopen_at`.
void Client::close(Connection& connection, Instant reopen_at) {
  ::close(connection.descriptor);
  connection.state = Connection::State::closed;
  connection.unsent.clear();
  connection.reopen_at = reopen_at;
  if (!connection.is_kept) return finished_.push_back(&connection);
  if (!is_over_ && reopen_at <= Clock::now()) open(connection, Clock::now());
}

void Client::look_for_late(Instant now) {
  next_look_ = now + look_interval;
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = *connections_[i];
    using enum Connection::State;
    if (connection.state == connecting && now >= connection.deadline) fail(connection, "connect_timed_out", "", now);
    if (connection.state == waiting && now >= connection.deadline)
      fail(connection, "timed_out", connection.request.tag, now);
    const bool is_wanted = !is_over_ || !backlog_.empty();
    if (connection.state == closed && connection.is_kept && is_wanted && now >= connection.reopen_at)
      open(connection, now);
  }
  // Nobody is left to serve what waits: it would be waited for without end.
  while (is_over_ && !backlog_.empty() && now >= ends_ + settings_.patience) {
    report_.failed("never_sent", backlog_.front().tag, now);
    backlog_.pop_front();
  }
}

}  // namespace load
