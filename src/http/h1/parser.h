#pragma once
// Reads HTTP/1.x heads: strict, one line end (CRLF), no folding, no second reading of anything (RFC 9112). Feed it
// bytes as they come; the outcome does not depend on where they are cut. Not for bodies: those are h1/chunked.h and
// plain counting in the connections.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>

#include "base/arena.h"
#include "base/cause.h"
#include "base/result.h"
#include "http/h1/framing_fields.h"
#include "http/h1/head_text.h"
#include "http/message.h"

namespace sluice::http::h1 {

struct Progress {
  bool complete = false;
  std::size_t consumed = 0;  // bytes of the input that belong to the head; all of it while incomplete
};

// How the body of a message is delimited on an HTTP/1 connection.
enum class Framing : std::uint8_t { none, length, chunked, until_close };

class RequestParser {
 public:
  explicit RequestParser(const HeadLimits& limits) : limits_(limits) {}
  // Makes ready for the next head. The texts will live in `arena`.
  void start(Arena& arena);
  // Empty lines before the request line are skipped (at most 2, RFC 9112 section 2.2).
  // errors: a Refusal; the parser must not be fed again before start().
  // cost: one pass over the bytes (AVX2/SSE4.2/scalar chosen once), one copy into the arena.
  std::expected<Progress, Refusal> feed(std::string_view input);
  bool has_begun() const;  // a byte of the request line was seen

  // Once complete; valid as long as the arena's contents. `scheme` is http: whether the connection is encrypted is not
  // the message's to say, so the scheme of an absolute target is checked and dropped.
  const Request& request() const { return request_; }
  Framing framing() const { return framing_; }     // none, length, chunked; `Content-Length: 0` is none
  bool keep_alive() const { return keep_alive_; }  // version and Connection considered
  // For the log line of a refused request: as far as they were read. Raw bytes.
  std::string_view method_seen() const;
  std::string_view target_seen() const;

 private:
  enum class Stage : std::uint8_t { start_line, fields, complete };
  // A null cause: nothing is wrong.
  using Check = Refusal;

  Check advance();
  Check read_request_line();
  Check take_request_line(std::string_view line);
  Check take_target();
  Check take_absolute_target(std::string_view target);
  Check take_path_and_query(std::string_view text);
  Check read_fields();
  Check take_framing_field(FieldId id, const FieldText& field);
  Check take_host(std::string_view value);
  Check take_expect(std::string_view value);
  Check finish();
  Check settle_framing();
  Check take_upgrade();

  const HeadLimits& limits_;
  Arena* arena_ = nullptr;
  HeadText text_;
  FramingFields framing_fields_;
  Request request_;
  std::string_view target_;
  std::uint32_t empty_lines_ = 0;
  std::uint32_t field_count_ = 0;  // framing fields included
  Stage stage_ = Stage::start_line;
  Framing framing_ = Framing::none;
  bool keep_alive_ = false;
  bool has_request_line_ = false;  // a whole one; it may have been refused
  bool is_absolute_ = false;       // the target named the authority: Host does not count
  bool has_host_ = false;
  bool has_expect_ = false;
  bool is_expectation_known_ = false;
  bool has_te_trailers_ = false;
};

class ResponseParser {
 public:
  explicit ResponseParser(const HeadLimits& limits) : limits_(limits) {}
  // `request_method` decides about HEAD. Call again after each interim response. `websocket_accept`: what
  // Sec-WebSocket-Accept of a 101 must be; "" when the request did not ask for a WebSocket. Must stay.
  void start(Arena& arena, Method request_method, std::string_view websocket_accept = {});
  // errors: malformed/too_large/unsupported (a transfer coding), side upstream. A 101 that was not asked for, or is not
  // right (RFC 6455 section 4.1), is malformed.
  std::expected<Progress, Error> feed(std::string_view input);
  // Once complete.
  const ResponseHead& head() const { return head_; }
  Framing framing() const { return framing_; }
  bool keep_alive() const { return keep_alive_; }  // false for until_close, which a 101 is too

 private:
  enum class Stage : std::uint8_t { start_line, fields, complete };
  // A null `what`: nothing is wrong.
  using Check = Error;

  Check advance();
  Check read_status_line();
  Check take_status_line(std::string_view line);
  Check read_fields();
  const char* take_framing_field(FieldId id, const FieldText& field);
  Check finish();
  const char* why_no_switch() const;
  void settle_framing();

  const HeadLimits& limits_;
  Arena* arena_ = nullptr;
  HeadText text_;
  FramingFields framing_fields_;
  ResponseHead head_;
  std::string_view websocket_accept_;
  std::uint32_t field_count_ = 0;
  Stage stage_ = Stage::start_line;
  Framing framing_ = Framing::none;
  bool is_http10_ = false;
  bool is_answer_to_head_ = false;
  bool keep_alive_ = false;
};

}  // namespace sluice::http::h1
