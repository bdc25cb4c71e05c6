#pragma once
// What the backends' loops have in common: clocks, timers, randomness, mailbox, memory, the lists of streams that want
// something before the next wait, and accepting. Waiting and moving bytes is the backend's. What is written here as a
// call of the kernel and virtual is the simulator's to replace.
//
// One turn: wait, read_clocks(), handle events, run_ready(), run_timers(), flush_all(), bury().

#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "base/random.h"
#include "net/alarm.h"
#include "net/deferred.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "net/segment.h"
#include "net/timer_wheel.h"

namespace sluice::net {

class SocketAcceptor;
class SocketStream;

// A count that one thread writes and any thread may read.
class Tally {
 public:
  void add(std::uint64_t count) { value_.store(read() + count, std::memory_order_relaxed); }
  std::uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class SocketLoop : public Loop {
 public:
  struct Tallies {
    std::atomic<bool> is_waiting{false};
    Tally turns, received_bytes, sent_bytes, receives, sends, accepts, accept_errors, connects;
  };

  Instant now() const override { return now_; }
  WallTime wall_now() const override { return wall_now_; }
  std::uint64_t random() override { return random_.next(); }
  void set_timer(Timer& timer, Duration after) override { wheel_.set(timer, now_, after); }
  void at_turn_end(TurnEnd& work) override { turn_ends_.add(work); }
  std::unique_ptr<Acceptor> accept_from(ListenSocket socket, AcceptHandler& handler) override;
  void pause_accepting(bool paused) override;
  Buffer make_buffer(std::size_t bytes) override { return memory_.blocks.take(bytes); }
  Buffer share(Buffer& buffer) override { return memory_.shares.share(buffer); }
  std::uint64_t lent_bytes() const override { return memory_.blocks.lent_bytes(); }
  void post(std::move_only_function<void()> task) override { mailbox_.post(std::move(task)); }
  void stop() override { is_running_ = false; }
  Counters counters() const override;
  std::size_t leaving() const override { return leaving_; }

  // For streams and acceptors.

  LoopMemory& memory() { return memory_; }
  Tallies& tally() { return tallies_; }
  void count_leaving() { ++leaving_; }
  void count_left() { --leaving_; }
  void note_lingering(SocketStream& stream);  // everything was sent; it waits for the peer's end
  // Closes streams that only linger, the longest first, at most `most`. Returns how many descriptors that set free.
  std::size_t close_lingering(std::size_t most);
  void queue_flush(SocketStream& stream);   // flush() before the next wait
  void queue_ready(SocketStream& stream);   // continue_reading() soon
  void defer(Deferred& work);               // run_deferred() before the next flush
  void queue_burial(SocketStream& stream);  // recycle() at the end of a turn, when nothing refers to it any more
  // Runs what was deferred, then flushes whoever wrote. Backends call it where no handler is on the stack.
  void flush_all();

  // Takes over a connected descriptor. Never null.
  virtual StreamPtr adopt(int descriptor, const Address& peer) = 0;
  // Calls acceptor.accept_batch() while connections wait in its queue, until told otherwise.
  virtual void watch(SocketAcceptor& acceptor, bool wanted) = 0;
  virtual void forget(SocketAcceptor& acceptor) = 0;  // it is going away
  virtual int accept_flags() const = 0;               // for accept4
  virtual void prepare_listening(int descriptor);     // makes sure of what take_connection() relies on
  // Accepts one connection: its descriptor, or -errno.
  virtual int take_connection(int listening, Address& peer);

 protected:
  SocketLoop();
  SocketLoop(Instant now, WallTime wall_now, std::uint64_t seed);
  ~SocketLoop() override;

  virtual void recycle(SocketStream& stream) = 0;

  void read_clocks();
  void set_clocks(Instant now, WallTime wall_now);  // for a turn that begins
  bool has_lists() const { return !ready_.empty() || !to_flush_.empty() || !deferred_.empty() || !turn_ends_.empty(); }
  void run_ready();
  // Thousands of connections that were made together run out of time together: events have their turn in between.
  static constexpr std::size_t most_timers_per_turn = 16;
  void run_timers() { wheel_.advance(now_, most_timers_per_turn); }
  // Runs what was asked for at_turn_end(), then flushes.
  void end_turn() {
    turn_ends_.run();
    flush_all();
  }
  void bury();
  // Before a wait: true when there is nothing to do until an event comes, one of which is the alarm. False: just look.
  bool may_wait();

  LoopMemory memory_;
  TimerWheel wheel_;
  TurnEnds turn_ends_;
  Mailbox mailbox_;
  Alarm alarm_;
  bool is_running_ = false;

 private:
  friend class SocketAcceptor;
  void run_deferred();

  Instant now_;
  WallTime wall_now_;
  Random random_;
  Tallies tallies_;
  std::size_t leaving_ = 0;
  std::deque<SocketStream*> lingering_;  // by the time they began to; some do so no more
  std::vector<SocketStream*> to_flush_, ready_, running_, to_bury_;
  std::vector<Deferred*> deferred_;
  std::vector<SocketAcceptor*> acceptors_;
  bool is_accepting_paused_ = false;
};

}  // namespace sluice::net
