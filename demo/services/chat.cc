#include "chat.h"

#include <openssl/sha.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace demo {
namespace {

constexpr std::size_t frame_limit_bytes = 4096;
constexpr auto quiet = std::chrono::seconds(20);  // a sign of life is sent so often

constexpr std::string_view page = R"(<!doctype html><meta charset="utf-8"><title>Sluice chat</title>
<h1>Sluice chat</h1><p>Over the WebSocket: <span id="state">connecting</span></p>
<form id="form"><input id="text" autofocus autocomplete="off"><button>Say</button></form>
<h2>WebSocket</h2><pre id="socket"></pre><h2>Event stream</h2><pre id="events"></pre>
<script>
const show = (id, line) => document.getElementById(id).textContent += line + "\n";
const name = new URLSearchParams(location.search).get("name") || "guest";
const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/chat/ws?name=" + encodeURIComponent(name));
socket.onopen = () => document.getElementById("state").textContent = "open";
socket.onclose = (event) => document.getElementById("state").textContent = "closed " + event.code;
socket.onmessage = (event) => show("socket", event.data);
new EventSource("/chat/events").onmessage = (event) => show("events", event.data);
document.getElementById("form").onsubmit = (event) => {
  event.preventDefault();
  socket.send(document.getElementById("text").value);
  document.getElementById("text").value = "";
};
</script>
)";

// One who listens: lines wait here until his own thread sends them.
struct Member {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> waiting;
  bool is_gone = false;
};

struct Room {
  std::mutex mutex;
  std::vector<Member*> members;

  void say(const std::string& line) {
    const std::lock_guard lock(mutex);
    for (Member* const member : members) {
      const std::lock_guard inner(member->mutex);
      constexpr std::size_t most_waiting = 256;  // who is slower than that misses some
      if (member->waiting.size() < most_waiting) member->waiting.push_back(line);
      member->changed.notify_one();
    }
  }
  void enter(Member& member) {
    const std::lock_guard lock(mutex);
    members.push_back(&member);
  }
  void leave(Member& member) {
    const std::lock_guard lock(mutex);
    std::erase(members, &member);
  }
};
Room room;

// Sends what `member` is owed, each line in the form that `write` gives it, until the connection or the member is gone.
template <class Write>
void send_lines(Member& member, Connection& connection, std::mutex& sending, std::string_view sign_of_life,
                Write write) {
  auto due = std::chrono::steady_clock::now() + quiet;
  for (bool is_there = true; is_there;) {
    std::vector<std::string> lines;
    {
      std::unique_lock lock(member.mutex);
      member.changed.wait_until(lock, due, [&] { return member.is_gone || !member.waiting.empty(); });
      if (member.is_gone) return;
      lines.swap(member.waiting);
    }
    std::string out;
    if (const auto now = std::chrono::steady_clock::now(); now >= due) {
      out = sign_of_life;
      due = now + quiet;
    }
    for (const std::string& line : lines) out += write(line);
    const std::lock_guard lock(sending);
    is_there = connection.send(out);
  }
}

void serve_events(Connection& connection) {
  if (!connection.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\n"
                       "connection: close\r\n\r\n: the chat\n\n"))
    return;
  Member member;
  std::mutex sending;
  room.enter(member);
  send_lines(member, connection, sending, ": still here\n\n",
             [](const std::string& line) { return "data: " + line + "\n\n"; });
  room.leave(member);
}

// ---- WebSocket

std::string accept_of(std::string_view key) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH + 1] = {};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string out;
  for (std::size_t i = 0; i < SHA_DIGEST_LENGTH; i += 3) {
    const unsigned group = static_cast<unsigned>(digest[i] << 16 | digest[i + 1] << 8 | digest[i + 2]);
    for (int shift = 18; shift >= 0; shift -= 6) out += digits[group >> shift & 63];
  }
  out.back() = '=';
  return out;
}

std::string frame(unsigned char first, std::string_view payload) {
  std::string out{static_cast<char>(first)};
  if (payload.size() < 126) {
    out += static_cast<char>(payload.size());
  } else {
    out += '\x7e';
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 255);
  }
  return out.append(payload);
}

// Reads one masked frame. False at the connection's end, and for what a sample does not take.
bool read_frame(Connection& connection, unsigned char& first, std::string& payload) {
  const auto need = [&](std::size_t count) {
    while (connection.pending().size() < count)
      if (!connection.receive()) return false;
    return true;
  };
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(connection.pending()[at]); };
  if (!need(6) || (byte(1) & 0x80) == 0) return false;
  first = byte(0);
  std::size_t size = byte(1) & 127u, head = 6;
  if (size == 126) {
    head = 8;
    if (!need(head)) return false;
    size = static_cast<std::size_t>(byte(2) << 8 | byte(3));
  }
  if (size > frame_limit_bytes || !need(head + size)) return false;
  payload.assign(connection.pending().substr(head, size));
  for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(payload[i] ^ connection.pending()[head - 4 + i % 4]);
  connection.consume(head + size);
  return true;
}

void listen_to(Connection& connection, std::mutex& sending, const std::string& name) {
  constexpr unsigned char text = 0x81, close = 0x88, ping = 0x89, pong = 0x8a;
  unsigned char first = 0;
  std::string payload;
  while (read_frame(connection, first, payload)) {
    if (first == text) {
      room.say(name + ": " + payload);
    } else if (first == ping || first == close) {
      const std::lock_guard lock(sending);
      if (!connection.send(frame(first == ping ? pong : close, payload)) || first == close) return;
    } else if (first != pong) {
      return;
    }
  }
}

void serve_socket(Connection& connection, const Request& request) {
  const auto key = request.header("sec-websocket-key");
  if (!key) {
    (void)connection.send("HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\nconnection: upgrade, close\r\n"
                          "content-length: 0\r\n\r\n");
    return;
  }
  if (!connection.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                       "sec-websocket-accept: " + accept_of(*key) + "\r\n\r\n"))
    return;
  Member member;
  std::mutex sending;
  room.enter(member);
  std::thread sender([&] {
    send_lines(member, connection, sending, frame(0x89, ""),
               [](const std::string& line) { return frame(0x81, line); });
  });
  listen_to(connection, sending, std::string(request.parameter("name").value_or("guest")));
  room.leave(member);
  {
    const std::lock_guard lock(member.mutex);
    member.is_gone = true;
  }
  member.changed.notify_one();
  sender.join();
}

}  // namespace

bool serve_chat(Connection& connection, const Request& request) {
  if (request.path == "/chat/ws") {
    serve_socket(connection, request);
  } else if (request.path == "/chat/events") {
    serve_events(connection);
  } else if (request.path == "/chat") {
    (void)connection.send("HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\n"
                          "content-length: " + std::to_string(page.size()) + "\r\n\r\n" + std::string(page));
  } else {
    return false;
  }
  return true;
}

}  // namespace demo
