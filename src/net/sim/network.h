#pragma once
// The simulator's operating system: a virtual clock, and TCP in memory. Everything that is left to chance (delays,
// short reads and writes, who runs next) is drawn from one seed, so that a run can be repeated to the byte.
//
// Its calls are those of the kernel, as the backends use them: numbers for descriptors, -errno for failures, and a
// Watcher that is told when a descriptor may have become ready. It behaves like Linux where programs notice:
//   - a close with unread bytes, or one that is meant to be hard, sends RST, and what was still on its way is lost;
//   - bytes that came before an RST can still be read; then ECONNRESET is seen once;
//   - a connection is made before anybody accepts it; when its listening socket closes first, it is reset.
// Not a loop: SimLoop is, and what else lives in the simulated world (clients, services) uses these calls directly.
// One thread.

#include <sys/uio.h>

#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "net/loop.h"

namespace sluice::net::sim {

// How rough the world is. The defaults are calm.
struct Weather {
  Duration least_delay = std::chrono::microseconds(20);  // of a packet, one way; a link draws its own in between
  Duration most_delay = std::chrono::microseconds(200);
  std::uint32_t short_percent = 0;       // reads and writes that are cut short, of a hundred
  std::size_t window_bytes = 256 << 10;  // sent and not yet read, each way
  std::size_t block_bytes = 256 << 10;   // most that a stream receives at once
  Duration most_turn = Duration(0);      // a loop's turn takes up to that long, and events gather meanwhile
};

// Who is told about a descriptor.
class Watcher {
 public:
  // The state of `descriptor` has changed: readable, writable, connected or failed. May be wrong; never missing.
  virtual void on_ready(int descriptor) = 0;

 protected:
  ~Watcher() = default;
};

// A loop, as the network sees it.
class Turner {
 public:
  virtual Instant wakes_at() = 0;  // when its next turn is due; Instant::max() when only events end its wait
  virtual void turn() = 0;

 protected:
  ~Turner() = default;
};

class Network final : public DescriptorOwner {
 public:
  explicit Network(std::uint64_t seed, const Weather& weather = {});
  Network(const Network&) = delete;
  ~Network();

  Instant now() const { return now_; }
  WallTime wall_now() const { return WallTime(wall_offset_ + now_.time_since_epoch()); }
  void jump_wall_clock(Duration by) { wall_offset_ += by; }
  Random& random() { return random_; }
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : random_.next() % bound; }
  bool chance(std::uint32_t percent) { return percent != 0 && below(100) < percent; }
  const Weather& weather() const { return weather_; }

  // ---- the world's course
  void at(Instant when, std::move_only_function<void()> event);
  void after(Duration wait, std::move_only_function<void()> event) { at(now_ + wait, std::move(event)); }
  void add(Turner& loop) { loops_.push_back({&loop, {}}); }
  void remove(Turner& loop);
  // Runs one event or one loop's turn. False when nothing will ever happen any more.
  bool step();

  // ---- what listens
  // As net::listen_on; port 0 is replaced by a free one.
  Result<ListenSocket> listen_on(const Address& address, Sharing sharing = Sharing::shared);
  Address bound_address(const ListenSocket& socket) const { return listeners_.at(socket.descriptor()).address; }
  // Tells `watcher`, or nobody, when connections wait; at once when some do.
  void watch(int listening, Watcher* watcher);
  void remind(int listening);  // tells again when some still wait
  int accept(int listening, Address& peer);
  void close(int listening) override;  // of a ListenSocket; who waits in its queue is reset
  // From now on connects to `address` meet silence.
  void set_black_hole(const Address& address, bool is_one);
  // While set, neither accept() nor connect() of a SimLoop gets a descriptor.
  void set_exhausted(bool is_exhausted) { is_exhausted_ = is_exhausted; }
  bool is_exhausted() const { return is_exhausted_; }

  // ---- connections
  int connect(const Address& to, Watcher& watcher);
  void set_watcher(int descriptor, Watcher* watcher) { end(descriptor).watcher = watcher; }
  enum class Connect : std::uint8_t { pending, made, failed };
  Connect connect_state(int descriptor) { return end(descriptor).connect; }
  int take_error(int descriptor);  // SO_ERROR
  bool has_error(int descriptor) { return end(descriptor).error != 0; }
  bool is_readable(int descriptor);  // bytes, the end, or an error
  ssize_t receive(int descriptor, char* out, std::size_t size);
  ssize_t send(int descriptor, std::span<const iovec> pieces);
  void shut_down_writing(int descriptor);
  void close_end(int descriptor, bool is_reset);
  // How many bytes the peer had read of this connection when it sent byte `offset` of what came here: what it knew
  // then.
  std::uint64_t peer_had_read_at(int descriptor, std::uint64_t offset);
  int peer_of(int descriptor) { return end(descriptor).peer; }
  std::uint64_t read_total(int descriptor);  // also of one that was closed
  std::uint64_t sent_total(int descriptor) { return end(descriptor).sent; }

  std::size_t unacknowledged(int descriptor);  // SIOCOUTQ: bytes that are still on their way

  // ---- looked at by tests
  std::size_t open_ends() const { return ends_.size(); }
  // Connections that were reset because their listening socket closed while they waited to be accepted.
  std::uint64_t dropped_from_queue() const { return dropped_from_queue_; }
  // Turns since anything happened in the world, no matter how many events lie ahead: a loop that spins.
  std::uint64_t idle_turns() const { return idle_turns_; }
  void note_progress() { idle_turns_ = 0; }
  // Turns that only a timer asked for, since anything else happened.
  std::uint64_t timer_turns() const { return timer_turns_; }
  void note_timer_turn() {
    ++timer_turns_;
    idle_turns_ = 0;
  }
  std::uint64_t events() const { return events_; }
  // Every event goes into one number: two runs with the same number did the same.
  std::uint64_t trace_hash() const { return trace_hash_; }
  std::function<void(Instant, const std::string&)> trace;  // gets each event as text, when set
  void note(const char* what, std::int64_t first = 0, std::int64_t second = 0);

 private:
  enum class Kind : std::uint8_t { data, fin, rst };
  struct Parcel {
    Kind kind;
    std::string bytes;
    std::uint64_t sender_had_read;
  };
  struct End {
    Watcher* watcher = nullptr;
    int peer = -1;  // -1: gone
    Address peer_address;
    Duration delay{};
    Connect connect = Connect::made;
    std::deque<Parcel> flight;  // on the way to here
    Instant last_due{};         // of the parcels on the way
    std::string inbox;          // came, not yet read; from inbox_at on
    std::size_t inbox_at = 0;
    std::size_t unread = 0;  // on the way or come: what the window bounds
    std::uint64_t read = 0, sent = 0, came = 0;
    std::vector<std::pair<std::uint64_t, std::uint64_t>>
        knowledge;  // of each parcel: its end, what its sender had read
    int error = 0;
    bool has_fin = false;        // came, stands behind the inbox
    bool is_reset = false;       // an RST came
    bool has_shut_down = false;  // our FIN is sent
    bool wants_room = false;     // a send took less than offered
  };
  struct Listener {
    Address address;
    Watcher* watcher = nullptr;
    std::deque<int> queue;
  };
  struct Running {
    Turner* loop;
    Instant busy_until;
  };

  End& end(int descriptor);
  End* find_end(int descriptor);
  Listener* find_listener(int descriptor);
  void dispatch(int from, int to, Parcel parcel);
  void arrive(int from, int to, Kind kind);
  void take(End& receiver, Parcel parcel);
  void arrive_syn(int client, const Address& to);
  void finish_handshake(int client, int server, int listening);
  void tell(int descriptor);
  void tell_later(int descriptor);
  void reset_peer(int from, const End& end);
  Duration delay_of(const End& end) { return end.delay + Duration(below(end.delay.count() + 1)); }
  void run_event();
  void run_turn(std::size_t at);

  Random random_;
  const Weather weather_;
  Instant now_{std::chrono::hours(1)};
  Duration wall_offset_ = std::chrono::hours(24 * 365 * 56);
  std::map<std::pair<Instant, std::uint64_t>, std::move_only_function<void()>> queue_;
  std::uint64_t sequence_ = 0;
  std::vector<Running> loops_;
  std::map<int, End> ends_;
  std::map<int, std::uint64_t> read_before_close_;
  std::map<int, Listener> listeners_;
  std::vector<Address> black_holes_;
  int next_descriptor_ = 3;
  std::uint16_t next_port_ = 20'000;
  bool is_exhausted_ = false;
  std::uint64_t dropped_from_queue_ = 0, idle_turns_ = 0, timer_turns_ = 0, events_ = 0;
  std::uint64_t trace_hash_ = 0x9e3779b97f4a7c15;
};

}  // namespace sluice::net::sim
