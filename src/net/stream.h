#pragma once
// One connected byte stream as the house sees it, whatever carries it: a socket on epoll, a socket on io_uring, a link
// of the simulator, later TLS over one of them. All calls and callbacks happen on the loop's thread.
//
// Rules that every backend keeps, and that every handler may rely on:
//   1. No callback runs inside a call that the handler makes: a write that fails is reported in a later callback.
//   2. After on_failed() no other callback comes. After the StreamPtr is gone, none at all.
//   3. Bytes are delivered in order; on_end() comes after the last of them; on_failed() may overtake both.
//   4. A handler may drop its StreamPtr inside any callback.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "net/address.h"
#include "net/buffer.h"

namespace sluice::net {

class Stream;
struct Security;  // security.h

class StreamHandler {
 public:
  virtual void on_connected() {}  // outbound and TLS streams only, once, before anything else
  // Never empty; keep the buffer or let it go. A kept buffer keeps its whole block (8 to 256 KiB): who waits for the
  // rest of something small copies it.
  virtual void on_data(Buffer bytes) = 0;
  virtual void on_end() = 0;                // the peer will send no more (FIN); writing still works
  virtual void on_drained() {}              // everything written has been taken by the kernel, after want_drained()
  virtual void on_failed(Error error) = 0;  // reset, refused, unreachable; `side` is left as upstream: the owner knows

 protected:
  ~StreamHandler() = default;
};

class Stream {
 public:
  virtual void set_handler(StreamHandler& handler) = 0;

  // Input. A stream starts reading when made. pause() stops on_data and on_end soon: what the kernel had already handed
  // over is held and delivered after resume(). Cheap when nothing was pending.
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  // Tells that about `bytes` more are expected soon: from some size on, larger blocks are used. A hint, no promise.
  virtual void expect_bytes(std::uint64_t bytes) = 0;

  // Output. Bytes written during one callback leave together, at its end or at the end of the loop's turn.
  // room(n): at least n contiguous bytes to build a message head in place; wrote(m) takes the first m of them, in the
  // same callback and before any other write.
  virtual char* room(std::size_t bytes) = 0;
  virtual void wrote(std::size_t bytes) = 0;
  virtual void write(std::string_view bytes) = 0;  // copies
  virtual void write(Buffer bytes) = 0;            // takes; small ones are copied beside what stands before them
  // Bytes accepted and not yet taken by the kernel. The writer keeps this bounded: it stops when it is large.
  virtual std::size_t unsent_bytes() const = 0;
  // How many of the bytes last written the peer cannot have seen, because the kernel was never given them; also after
  // on_failed().
  virtual std::size_t untouched_bytes() const = 0;
  // Bytes taken by the kernel that the peer has not acknowledged: what it may be blamed for when it reads slowly. 0
  // where that cannot be known. A system call: for rare looks.
  virtual std::size_t unacknowledged_bytes() const { return 0; }
  // Asks for one on_drained() when unsent_bytes() has become 0 (in a later callback, also when it is 0 already).
  virtual void want_drained() = 0;
  // After all that was written: FIN. Reading goes on. What is written afterwards is dropped.
  virtual void finish_writing() = 0;

  virtual const Address& peer() const = 0;
  // Null for what is not encrypted, and before the handshake is done.
  virtual const Security* security() const { return nullptr; }

  // How a StreamPtr lets go: `flush_and_close` sends what was written, then FIN, then reads and drops for a bounded
  // time and amount so that the peer can read the last answer (lingering close, RFC 9112 section 9.6); `abort` resets
  // at once; `close` closes at once, without waiting for unsent bytes. The stream is the loop's own affair afterwards.
  enum class Goodbye : std::uint8_t { close, flush_and_close, abort };
  virtual void let_go(Goodbye how) = 0;

 protected:
  ~Stream() = default;
};

struct StreamCloser {
  void operator()(Stream* stream) const { stream->let_go(Stream::Goodbye::close); }
};
// Owns a stream. Dropping it closes at once; release()->let_go(how) chooses another goodbye.
using StreamPtr = std::unique_ptr<Stream, StreamCloser>;

}  // namespace sluice::net
