#include "net/sim/network.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::net::sim {
namespace {

constexpr std::uint32_t event_before_turn_percent = 50;  // when both are due

Address address_of_client(std::uint64_t number) {
  Address address;
  address.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, static_cast<std::uint8_t>(number >> 8 & 255), 1};
  address.port = static_cast<std::uint16_t>(1024 + number);
  return address;
}

}  // namespace

Network::Network(std::uint64_t seed, const Weather& weather) : random_(seed), weather_(weather) {}

Network::~Network() = default;

void Network::note(const char* what, std::int64_t first, std::int64_t second) {
  const auto mix = [this](std::uint64_t value) {
    trace_hash_ = (trace_hash_ ^ value) * 0xff51afd7ed558ccd;
    trace_hash_ ^= trace_hash_ >> 32;
  };
  for (const char* at = what; *at != 0; ++at) mix(static_cast<unsigned char>(*at));
  mix(static_cast<std::uint64_t>(first));
  mix(static_cast<std::uint64_t>(second));
  mix(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  if (trace) trace(now_, std::string(what) + " " + std::to_string(first) + " " + std::to_string(second));
}

// ---- the world's course
// --------------------------------------------------------------------------------------------

void Network::at(Instant when, std::move_only_function<void()> event) {
  queue_.emplace(std::pair(std::max(when, now_), sequence_++), std::move(event));
}

void Network::remove(Turner& loop) {
  std::erase_if(loops_, [&](const Running& running) { return running.loop == &loop; });
}

bool Network::step() {
  const Instant next_event = queue_.empty() ? Instant::max() : queue_.begin()->first.first;
  Instant next_turn = Instant::max();
  std::size_t due = 0, chosen = 0;
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    const Instant wakes = loops_[i].loop->wakes_at();
    if (wakes == Instant::max()) continue;
    const Instant at = std::max(wakes, loops_[i].busy_until);
    next_turn = std::min(next_turn, at);
    if (at <= now_ && below(++due) == 0) chosen = i;  // each of those due with the same chance
  }
  if (due > 0 && (next_event > now_ || !chance(event_before_turn_percent))) {
    run_turn(chosen);
    return true;
  }
  const Instant next = std::min(next_event, next_turn);
  if (next == Instant::max()) return false;
  now_ = std::max(now_, next);
  if (next_event <= now_) run_event();
  return true;
}

void Network::run_event() {
  ++events_;
  idle_turns_ = timer_turns_ = 0;
  auto event = std::move(queue_.begin()->second);
  queue_.erase(queue_.begin());
  event();
}

void Network::run_turn(std::size_t at) {
  ++idle_turns_;
  if (weather_.most_turn.count() > 0) loops_[at].busy_until = now_ + Duration(below(weather_.most_turn.count()));
  loops_[at].loop->turn();
}

// ---- what listens
// --------------------------------------------------------------------------------------------------

Result<ListenSocket> Network::listen_on(const Address& address, Sharing sharing) {
  Address bound = address;
  if (bound.port == 0) bound.port = next_port_++;
  const bool is_taken = std::ranges::any_of(listeners_, [&](auto& entry) { return entry.second.address == bound; });
  if (is_taken && sharing == Sharing::alone) return fail(Code::unavailable, Side::gateway, "address is in use");
  const int descriptor = next_descriptor_++;
  listeners_[descriptor].address = bound;
  note("listen", descriptor, bound.port);
  return ListenSocket(descriptor, this);
}

Network::Listener* Network::find_listener(int descriptor) {
  const auto found = listeners_.find(descriptor);
  return found == listeners_.end() ? nullptr : &found->second;
}

void Network::watch(int listening, Watcher* watcher) {
  listeners_.at(listening).watcher = watcher;
  remind(listening);
}

void Network::remind(int listening) {
  const Listener& listener = listeners_.at(listening);
  if (listener.watcher == nullptr || listener.queue.empty()) return;
  after(Duration(0), [this, listening] {
    const Listener* const found = find_listener(listening);
    if (found != nullptr && found->watcher != nullptr) found->watcher->on_ready(listening);
  });
}

int Network::accept(int listening, Address& peer) {
  Listener* const listener = find_listener(listening);
  if (listener == nullptr) return -EBADF;
  if (listener->queue.empty()) return -EAGAIN;
  const int accepted = listener->queue.front();
  listener->queue.pop_front();
  peer = end(accepted).peer_address;
  note("accept", listening, accepted);
  return accepted;
}

void Network::close(int listening) {
  Listener* const listener = find_listener(listening);
  if (listener == nullptr) return;
  note("unlisten", listening, static_cast<std::int64_t>(listener->queue.size()));
  dropped_from_queue_ += listener->queue.size();
  const std::deque<int> waiting = std::move(listener->queue);
  listeners_.erase(listening);
  for (const int descriptor : waiting) close_end(descriptor, true);
}

void Network::set_black_hole(const Address& address, bool is_one) {
  std::erase(black_holes_, address);
  if (is_one) black_holes_.push_back(address);
}

// ---- connections
// ---------------------------------------------------------------------------------------------------

Network::End* Network::find_end(int descriptor) {
  const auto found = ends_.find(descriptor);
  return found == ends_.end() ? nullptr : &found->second;
}

Network::End& Network::end(int descriptor) { return ends_.at(descriptor); }

int Network::connect(const Address& to, Watcher& watcher) {
  const int descriptor = next_descriptor_++;
  End& made = ends_[descriptor];
  made.watcher = &watcher;
  made.peer_address = to;
  made.connect = Connect::pending;
  const auto spread = static_cast<std::uint64_t>((weather_.most_delay - weather_.least_delay).count());
  made.delay = weather_.least_delay + Duration(below(spread + 1));
  note("connect", descriptor, to.port);
  after(delay_of(made), [this, descriptor, to] { arrive_syn(descriptor, to); });
  return descriptor;
}

void Network::arrive_syn(int client, const Address& to) {
  End* const caller = find_end(client);
  if (caller == nullptr || std::ranges::count(black_holes_, to) > 0) return;
  std::vector<int> takers;
  for (const auto& [descriptor, listener] : listeners_)
    if (listener.address == to) takers.push_back(descriptor);
  if (takers.empty()) {
    note("refused", client, to.port);
    return after(delay_of(*caller), [this, client] {
      End* const refused = find_end(client);
      if (refused == nullptr) return;
      refused->connect = Connect::failed;
      refused->error = ECONNREFUSED;
      tell(client);
    });
  }
  const int listening = takers[below(takers.size())];
  const int server = next_descriptor_++;
  End& answering = ends_[server];
  answering.peer = client;
  answering.peer_address = address_of_client(static_cast<std::uint64_t>(client));
  answering.delay = caller->delay;
  caller->peer = server;
  after(delay_of(*caller), [this, client, server, listening] { finish_handshake(client, server, listening); });
}

void Network::finish_handshake(int client, int server, int listening) {
  if (End* const caller = find_end(client)) {
    caller->connect = Connect::made;
    note("connected", client, server);
    tell(client);
  }
  if (find_end(server) == nullptr) return;
  after(delay_of(end(server)), [this, client, server, listening] {
    if (find_end(server) == nullptr) return;
    Listener* const listener = find_listener(listening);
    if (listener == nullptr) return close_end(server, true);  // it closed meanwhile
    if (find_end(client) == nullptr && !end(server).has_fin && end(server).flight.empty()) end(server).has_fin = true;
    listener->queue.push_back(server);
    if (listener->watcher != nullptr) listener->watcher->on_ready(listening);
  });
}

int Network::take_error(int descriptor) { return std::exchange(end(descriptor).error, 0); }

bool Network::is_readable(int descriptor) {
  const End& it = end(descriptor);
  return it.inbox_at < it.inbox.size() || it.has_fin || it.is_reset || it.error != 0;
}

std::uint64_t Network::peer_had_read_at(int descriptor, std::uint64_t offset) {
  const auto& knowledge = end(descriptor).knowledge;
  const auto found = std::ranges::upper_bound(knowledge, offset, {}, [](const auto& known) { return known.first; });
  return found == knowledge.end() ? 0 : found->second;
}

std::uint64_t Network::read_total(int descriptor) {
  const End* const it = find_end(descriptor);
  if (it != nullptr) return it->read;
  const auto closed = read_before_close_.find(descriptor);
  return closed == read_before_close_.end() ? 0 : closed->second;
}

ssize_t Network::receive(int descriptor, char* out, std::size_t size) {
  End& it = end(descriptor);
  std::size_t count = std::min(size, it.inbox.size() - it.inbox_at);
  if (count == 0) {
    if (it.error != 0) return -std::exchange(it.error, 0);
    return it.has_fin || it.is_reset ? 0 : -EAGAIN;
  }
  if (chance(weather_.short_percent)) count = 1 + below(count);
  std::memcpy(out, it.inbox.data() + it.inbox_at, count);
  it.inbox_at += count;
  if (it.inbox_at == it.inbox.size()) {
    it.inbox.clear();
    it.inbox_at = 0;
  }
  it.read += count;
  it.unread -= count;
  note("read", descriptor, static_cast<std::int64_t>(count));
  if (End* const writer = find_end(it.peer); writer != nullptr && std::exchange(writer->wants_room, false))
    tell_later(it.peer);
  return static_cast<ssize_t>(count);
}

ssize_t Network::send(int descriptor, std::span<const iovec> pieces) {
  End& it = end(descriptor);
  if (it.error != 0) return -std::exchange(it.error, 0);
  if (it.is_reset || it.has_shut_down) return -EPIPE;
  if (it.connect != Connect::made) return -EAGAIN;
  std::size_t offered = 0;
  for (const iovec& piece : pieces) offered += piece.iov_len;
  const End* const peer = find_end(it.peer);
  std::size_t count = std::min(offered, weather_.window_bytes - (peer != nullptr ? peer->unread : 0));
  if (count == 0) {
    it.wants_room = true;
    return offered == 0 ? 0 : -EAGAIN;
  }
  if (chance(weather_.short_percent)) {
    count = 1 + below(count);
    tell_later(descriptor);
  } else if (count < offered) {
    it.wants_room = true;
  }
  std::string bytes;
  bytes.reserve(count);
  for (const iovec& piece : pieces) {
    bytes.append(static_cast<const char*>(piece.iov_base), std::min(piece.iov_len, count - bytes.size()));
    if (bytes.size() == count) break;
  }
  it.sent += count;
  note("send", descriptor, static_cast<std::int64_t>(count));
  dispatch(descriptor, it.peer, {Kind::data, std::move(bytes), it.read});
  return static_cast<ssize_t>(count);
}

std::size_t Network::unacknowledged(int descriptor) {
  const End* const peer = find_end(end(descriptor).peer);
  return peer == nullptr ? 0 : peer->unread - (peer->inbox.size() - peer->inbox_at);
}

void Network::shut_down_writing(int descriptor) {
  End& it = end(descriptor);
  if (it.has_shut_down || it.is_reset || it.connect != Connect::made) return;
  it.has_shut_down = true;
  note("fin", descriptor);
  dispatch(descriptor, it.peer, {Kind::fin, {}, it.read});
}

void Network::close_end(int descriptor, bool is_reset) {
  const auto found = ends_.find(descriptor);
  if (found == ends_.end()) return;
  End closed = std::move(found->second);
  ends_.erase(found);
  read_before_close_[descriptor] = closed.read;
  note(is_reset ? "reset" : "close", descriptor, static_cast<std::int64_t>(closed.inbox.size() - closed.inbox_at));
  if (closed.is_reset || closed.connect != Connect::made) return;
  if (is_reset || closed.inbox_at < closed.inbox.size()) return reset_peer(descriptor, closed);
  if (!closed.has_shut_down) dispatch(descriptor, closed.peer, {Kind::fin, {}, closed.read});
}

// What is on its way may be lost from any point on.
void Network::reset_peer(int from, const End& closed) {
  if (End* const peer = find_end(closed.peer)) {
    const std::size_t kept = below(peer->flight.size() + 1);
    while (peer->flight.size() > kept) {
      peer->unread -= peer->flight.back().bytes.size();
      peer->flight.pop_back();
    }
  }
  dispatch(from, closed.peer, {Kind::rst, {}, closed.read});
}

void Network::dispatch(int from, int to, Parcel parcel) {
  const Kind kind = parcel.kind;
  End* const receiver = find_end(to);
  Duration delay = weather_.most_delay;
  Instant due = now_ + delay;
  if (receiver != nullptr) {
    due = std::max(now_ + delay_of(*receiver), receiver->last_due);  // in order
    receiver->last_due = due;
    receiver->unread += parcel.bytes.size();
    receiver->flight.push_back(std::move(parcel));
  }
  at(due, [this, from, to, kind] { arrive(from, to, kind); });
}

void Network::arrive(int from, int to, Kind kind) {
  End* const receiver = find_end(to);
  if (receiver == nullptr) {  // closed meanwhile: bytes that come to nobody are answered by RST
    if (kind == Kind::data && find_end(from) != nullptr) dispatch(to, from, {Kind::rst, {}, 0});
    return;
  }
  if (receiver->flight.empty() || receiver->is_reset) return;
  if (receiver->flight.front().kind == Kind::rst) note("rst", to);
  Parcel parcel = std::move(receiver->flight.front());
  receiver->flight.pop_front();
  take(*receiver, std::move(parcel));
  tell(to);
}

void Network::take(End& receiver, Parcel parcel) {
  switch (parcel.kind) {
    case Kind::data:
      receiver.inbox += parcel.bytes;
      receiver.came += parcel.bytes.size();
      receiver.knowledge.emplace_back(receiver.came, parcel.sender_had_read);
      return;
    case Kind::fin:
      receiver.has_fin = true;
      return;
    case Kind::rst:
      receiver.is_reset = true;
      receiver.error = receiver.connect == Connect::pending ? ECONNREFUSED : ECONNRESET;
      receiver.flight.clear();
      return;
  }
}

void Network::tell(int descriptor) {
  const End* const it = find_end(descriptor);
  if (it != nullptr && it->watcher != nullptr) it->watcher->on_ready(descriptor);
}

void Network::tell_later(int descriptor) {
  after(delay_of(end(descriptor)), [this, descriptor] { tell(descriptor); });
}

}  // namespace sluice::net::sim
