#pragma once
// What the streams of both kernel backends have in common: staged output, the rules about callbacks, and the way out
// (flush, FIN, lingering close). How bytes move is the backend's: EpollStream, UringStream.
// Pooled: constructed once, begun for each connection, recycled by the loop. Only on the loop's thread.

#include "net/output.h"
#include "net/stream.h"
#include "net/timer.h"

namespace sluice::net {

class SocketLoop;

class SocketStream : public Stream {
 public:
  // While a goodbye waits for the peer:
  static constexpr Duration flush_patience = std::chrono::seconds(5);   // without progress, then the rest is given up
  static constexpr Duration linger_patience = std::chrono::seconds(2);  // after our FIN
  static constexpr int most_linger_patiences = 15;             // as long as the peer takes what was sent before
  static constexpr std::size_t most_lingered_bytes = 1 << 20;  // read and dropped

  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;
  virtual ~SocketStream();

  void set_handler(StreamHandler& handler) override;
  void pause_reading() override { is_paused_ = true; }
  void resume_reading() override;
  void expect_bytes(std::uint64_t bytes) override { expected_bytes_ = bytes; }
  char* room(std::size_t bytes) override;
  void wrote(std::size_t bytes) override;
  void write(std::string_view bytes) override;
  void write(Buffer bytes) override;
  std::size_t unsent_bytes() const override { return output_.size(); }
  std::size_t untouched_bytes() const override { return output_.size() + lost_bytes_; }
  std::size_t unacknowledged_bytes() const override;
  void want_drained() override;
  void finish_writing() override;
  const Address& peer() const override { return peer_; }
  // Hands back what was read, to be delivered before all else to the next handler, and names the peer.
  void start_anew(Buffer rest, const Address& peer);
  void let_go(Goodbye how) override;

  // The rest is the loop's side.

  // Takes over a descriptor; `handler` is null for accepted streams.
  void begin(int descriptor, const Address& peer, StreamHandler* handler);
  // Reports `error` in a later callback: what failed inside a call of the handler.
  void fail_later(const Error& error);
  virtual void flush() = 0;             // sends what it can; may call back
  void take_up();                       // what was handed back, then continue_reading()
  virtual void continue_reading() = 0;  // reads what it can; may call back
  virtual bool is_still() const = 0;    // no kernel operation refers to this object any more
  bool is_dead() const { return life_ == Life::dead; }
  bool is_lingering() const { return life_ == Life::lingering; }
  void stop_lingering() { close_now(); }
  void bury();  // the loop recycles the object afterwards

 protected:
  enum class Life : std::uint8_t { open, failed, flushing, lingering, dead };

  explicit SocketStream(SocketLoop& loop);

  virtual void wake_reading() = 0;      // has continue_reading() called soon, when there may be something to read
  virtual void close_descriptor() = 0;  // at once, or when the last operation has come back
  // The simulator's to replace.
  virtual void shut_down_writing();
  virtual void reset_when_closed();

  bool may_read() const;
  bool may_send() const { return !is_connecting_ && descriptor_ >= 0 && life_ != Life::failed && life_ != Life::dead; }
  // What came of the kernel. Each may call the handler, which may drop the stream.
  void connected();
  void received(Buffer bytes);
  void ended();
  void sent(std::size_t count);
  void drained();
  void send_failed(int number);
  void fail(Error error);
  void close_now();
  ssize_t send_at_once(std::span<const iovec> pieces);  // -errno when nothing was taken

  SocketLoop& loop_;
  StreamHandler* handler_ = nullptr;
  Output output_;
  Buffer handed_back_;  // by start_anew()
  std::uint64_t expected_bytes_ = 0;
  std::size_t dropped_bytes_ = 0;      // while lingering
  std::size_t lost_bytes_ = 0;         // were unsent when sending failed
  std::size_t lingering_bytes_ = 0;    // that the peer had yet to acknowledge when last looked at
  std::uint8_t linger_patiences_ = 0;  // used up
  Timer patience_;
  Error pending_error_{};  // with has_pending_error_
  Address peer_;
  int descriptor_ = -1;
  Life life_ = Life::dead;
  bool is_connecting_ = false;
  bool is_paused_ = false;
  bool has_ended_ = false;  // the peer's FIN has been seen
  bool has_pending_error_ = false;
  bool is_broken_ = false;  // sending failed; what can still be read is delivered before on_failed()
  bool wants_drained_ = false;
  bool wants_finish_ = false;
  bool has_finished_ = false;  // our FIN is sent

 private:
  friend class SocketLoop;
  void out_of_patience();
  bool deliver_handed_back();
  bool takes_output() const { return life_ == Life::open && !is_broken_ && !wants_finish_; }

  bool is_in_flush_list_ = false;  // SocketLoop's
  bool is_in_ready_list_ = false;
};

}  // namespace sluice::net
