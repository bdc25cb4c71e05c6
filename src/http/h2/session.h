#pragma once
// One end of an HTTP/2 connection without the connection: bytes go in, events come out, and bytes that are due are
// written to a stream. The protocol's machine is libnghttp2, which only session.cc sees; what it lets pass (how many
// odd frames, how much memory) is its owner's to watch. Both ends: server and client.
//
// Events come inside receive() and write(). Inside an event everything may be asked of the session but receive(),
// write() and its end.
//   source  RFC 9113, RFC 7541

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "http/h2/session_memory.h"
#include "net/stream.h"

namespace sluice::http::h2 {

// RFC 9113 section 7.
enum class ErrorCode : std::uint32_t {
  no_error = 0,
  protocol_error = 1,
  internal_error = 2,
  flow_control_error = 3,
  settings_timeout = 4,
  stream_closed = 5,
  frame_size_error = 6,
  refused_stream = 7,
  cancel = 8,
  compression_error = 9,
  connect_error = 10,
  enhance_your_calm = 11,
};

// What a peer does that honest ones do seldom: each costs it some of its budget (glitches.h).
enum class Oddity : std::uint8_t {
  client_reset,    // it gave up a stream
  server_reset,    // it made us reset a stream
  control_frame,   // PING, SETTINGS, PRIORITY, unknown types
  window_update,   // more often than data leaves
  empty_frame,     // DATA with hardly a byte, CONTINUATION
  refused_stream,  // past a limit
  field_excess,    // fields beyond the limit, decoded and dropped
  window_stall,    // a window that stayed shut
};
inline constexpr std::size_t oddity_count = 8;
std::string_view oddity_name(Oddity oddity);

struct SessionSettings {
  std::uint32_t concurrent_streams = 100;
  std::uint32_t stream_window_bytes = 64 * 1024;
  std::uint32_t connection_window_bytes = 1024 * 1024;
  std::uint32_t header_list_bytes = 64 * 1024;  // told to the peer; who enforces it is the owner
  std::uint32_t continuations = 8;              // frames of one header block after the first
};

struct HeaderField {
  std::string_view name, value;
};

// One stream as its owner has it; the session keeps a pointer to it until on_closed().
class SessionStream {
 public:
  std::int32_t id() const { return id_; }

  // The body that is to be sent: how many bytes may go now, at most `most`. 0 without is_last: the session asks again
  // after resume().
  struct Piece {
    std::size_t bytes = 0;
    bool is_last = false;
    bool has_trailers = false;  // with is_last: they follow, and the owner submits them in this call
  };
  virtual Piece next_piece(std::size_t most) = 0;
  virtual void write_piece(net::Stream& out, std::size_t bytes) = 0;  // exactly what next_piece() said

 protected:
  ~SessionStream() = default;

 private:
  friend class Session;
  std::int32_t id_ = 0;
  bool is_reset_ = false;  // by us: nothing more of it is to be sent, not even what next_piece() has promised
};

class SessionEvents {
 public:
  // Server: the peer opens a stream. Null refuses it (REFUSED_STREAM).
  virtual SessionStream* on_open(std::int32_t id) = 0;
  virtual void on_block_begin(SessionStream& stream) = 0;  // of a head, an interim head or trailers
  virtual void on_field(SessionStream& stream, std::string_view name, std::string_view value) = 0;
  virtual void on_block_end(SessionStream& stream, bool is_last) = 0;  // is_last: with END_STREAM
  // Views into what was given to receive(). The owner consume()s them, at once or later.
  virtual void on_data(SessionStream& stream, std::string_view bytes) = 0;
  virtual void on_last(SessionStream& stream) = 0;  // END_STREAM
  // The message breaks a rule: the stream is about to be reset.
  virtual void on_malformed(SessionStream& stream) = 0;
  // Both sides are done with it, or it was reset, by the peer or by us. The session knows the stream no more.
  virtual void on_closed(SessionStream& stream, ErrorCode code, bool is_by_peer) = 0;
  virtual void on_sent_last(SessionStream& stream) = 0;  // our END_STREAM was written
  // A frame on the wire; `stream` of HEADERS, CONTINUATION and DATA, else null.
  virtual void on_frame(std::size_t bytes, SessionStream* stream) = 0;
  virtual void on_frame_sent(std::size_t bytes, SessionStream* stream, bool is_data) = 0;
  virtual void on_odd(Oddity oddity) = 0;
  // The peer takes streams up to `last_id` and no more.
  virtual void on_goaway(std::int32_t last_id, ErrorCode code) = 0;
  virtual void on_settings() = 0;  // the peer's changed

 protected:
  ~SessionEvents() = default;
};

class Session {
 public:
  enum class Role : std::uint8_t { server, client };
  // `memory` and `events` must outlive this. The settings (and a client's preface) are due to be written at once.
  Session(Role role, const SessionSettings& settings, SessionMemory& memory, SessionEvents& events);
  Session(const Session&) = delete;
  ~Session();

  // False: the peer broke the protocol beyond repair, or flooded us; last words may be due. Feed no more.
  bool receive(std::string_view bytes);
  // Writes frames that are due while fewer than `most_unsent` bytes stand unsent in `out`. False: the session cannot go
  // on.
  bool write(net::Stream& out, std::size_t most_unsent);
  bool wants_to_write() const;
  // Nothing is to be read or written any more: the connection can close.
  bool is_over() const;

  // Server.
  void submit_interim(SessionStream& stream, std::span<const HeaderField> fields);
  void submit_response(SessionStream& stream, std::span<const HeaderField> fields, bool has_body);
  // Client. False: no more streams can be opened on this connection.
  bool submit_request(SessionStream& stream, std::span<const HeaderField> fields, bool has_body);
  // Both.
  void submit_trailers(SessionStream& stream, std::span<const HeaderField> fields);
  void resume(SessionStream& stream);  // there is more to send
  void reset(SessionStream& stream, ErrorCode code);
  // The peer may send as many more bytes: on this stream, on the connection.
  void consume_stream(SessionStream& stream, std::size_t bytes);
  void consume_connection(std::size_t bytes);
  // GOAWAY in two steps (RFC 9113 section 6.8): first that it will come, streams are still taken; then the last one.
  void announce_goaway();
  void goaway(ErrorCode code);
  // GOAWAY with `code`, and nothing but it: what is in progress ends here.
  void terminate(ErrorCode code);
  void ping();

  bool is_stream_window_shut(const SessionStream& stream) const;
  bool is_connection_window_shut() const;
  std::uint32_t peer_concurrent_streams() const;
  bool peer_takes_websockets() const;  // it has announced extended CONNECT (RFC 8441 section 3)
  std::size_t held_bytes() const { return held_bytes_; }

 private:
  struct Adapter;  // session.cc: the callbacks
  friend struct Adapter;

  SessionMemory& memory_;
  SessionEvents& events_;
  void* machine_ = nullptr;     // nghttp2_session
  net::Stream* out_ = nullptr;  // while writing
  std::size_t most_unsent_ = 0;
  std::size_t held_bytes_ = 0;
  std::int32_t reset_by_peer_ = 0;  // the last one
};

}  // namespace sluice::http::h2
