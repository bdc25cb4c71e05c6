#pragma once
// One end of an open WebSocket, a client's or a service's, whatever carries its bytes: sends what the plan says, reads
// the other end's frames strictly (RFC 6455 section 5), and tells the ledger. The request's `body` is what the client
// sends, in messages of `piece` bytes, its `answer` what the service sends.

#include <string>
#include <string_view>

#include "ledger.h"
#include "message.h"

namespace sluice::sim {

inline constexpr std::string_view socket_key = "dGhlIHNhbXBsZSBub25jZQ==";
std::string accept_of(std::string_view key);

class WebSocketEnd {
 public:
  static constexpr int normal = 1000;

  WebSocketEnd(Ledger& ledger, const RequestPlan& plan, Side side);
  // Nothing of it goes before the other end has accepted, as a rule: what is to be sent, and is taken away.
  std::string take_output() { return std::exchange(output_, {}); }
  void feed(std::string_view bytes);
  // Says Close, once.
  void close(int code);
  // The one of both that says Close first, and may: every message has come.
  bool may_close() const { return is_closer_ && has_all() && !has_said_close_; }
  bool has_all() const { return seen().received == static_cast<std::size_t>(wanted_bytes()); }
  bool is_over() const { return has_said_close_ && seen().close != 0; }
  bool is_between_frames() const { return input_.empty(); }
  void note_end();  // of what came

 private:
  Side other() const { return side_ == Side::request ? Side::answer : Side::request; }
  int wanted_bytes() const { return side_ == Side::request ? plan_.answer : plan_.body; }
  Exchange::SocketEnd& seen() const;
  void write_messages();
  void write_frame(int first_byte, std::string_view payload);
  bool read_frame();
  void take_close(std::string_view payload);

  Ledger& ledger_;
  const RequestPlan& plan_;
  const Side side_;
  const bool is_closer_, is_garbage_;
  std::string output_, input_;
  bool has_said_close_ = false;
};

}  // namespace sluice::sim
