// libFuzzer: a second parser (llhttp, strict) sees in what we write the message that we read: parse -> write -> parse
// again, head, body and trailers, for requests and for responses.
//
// Where it reads otherwise by design, and what is done about it:
//   - it knows a fixed list of methods and refuses all others: those are written as POST;
//   - it takes a 304 to have a body when Content-Length tells what a 200 would have had: see second_parser.h.

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/fuzz_input.h"
#include "http/h1/body_writer.h"
#include "http/h1/fake_net.h"
#include "http/h1/parser.h"
#include "http/h1/second_parser.h"
#include "http/h1/writer.h"

namespace {

using namespace sluice;            // NOLINT: a program of its own
using namespace sluice::http::h1;  // NOLINT
using fuzz::require;
using http::Method;
using second_parser::Message;

std::string text_of(const http::FieldList& fields) {
  std::string text;
  for (const http::Field& field : fields) text.append(field.name).append(": ").append(field.value).append("\n");
  return text;
}

// Without the fields that the writer generates.
std::string text_of(const second_parser::Fields& fields) {
  std::string text;
  for (const auto& [name, value] : fields)
    if (!is_framing_field(http::field_id(name))) text.append(name).append(": ").append(value).append("\n");
  return text;
}

std::string value_of(const second_parser::Fields& fields, std::string_view wanted) {
  std::string all;
  for (const auto& [name, value] : fields)
    if (name == wanted) all.append(value).append("|");
  return all;
}

// Body and trailers in the framing of their head, as a connection would write them.
std::string framed(Framing framing, std::string_view body, std::size_t step, const http::FieldList& trailers) {
  FakeLoop loop;
  FakeStream& stream = loop.make_stream();
  BodyWriter writer;
  writer.start(framing, static_cast<std::int64_t>(body.size()));
  for (std::size_t at = 0; at < body.size(); at += step) {
    const std::string_view piece = body.substr(at, step);
    if (at % 2 == 0) {
      require(writer.write(stream, piece), "a body of the promised size is written");
      continue;
    }
    net::Buffer buffer = loop.make_buffer(piece.size() + at % 3);
    piece.copy(buffer.block(), piece.size());
    buffer.set_size(piece.size());
    require(writer.write(stream, std::move(buffer)), "a body of the promised size is written");
  }
  require(writer.end(stream, framing == Framing::chunked ? &trailers : nullptr), "a whole body ends well");
  std::string wire = stream.take_output();
  require(wire.size() == writer.wire_bytes(), "written bytes are counted");
  return wire;
}

void compare_body(const Message& theirs, Framing framing, std::string_view body, const http::FieldList& trailers) {
  require(theirs.is_chunked == (framing == Framing::chunked), "it takes the message to be chunked when it is");
  require(theirs.body == body, "it sees the same body");
  require(text_of(theirs.trailers) == (framing == Framing::chunked ? text_of(trailers) : ""),
          "it sees the same trailers");
}

void check_request(std::string_view bytes, std::size_t step) {
  Arena arena;
  const http::HeadLimits limits;
  RequestParser parser(limits);
  parser.start(arena);
  const auto progress = parser.feed(bytes);
  if (!progress || !progress->complete) return;
  const http::Request& request = parser.request();
  if (request.authority.empty()) return;  // HTTP/1.0 without Host: the gateway names one
  std::string_view body = bytes.substr(progress->consumed);
  http::RequestHead head{request.method_name, request.authority, request.path, request.has_query,
                         request.query,       request.fields,    request.body};
  if (!second_parser::knows_method(head.method)) head.method = "POST";
  if (parser.framing() == Framing::length) head.body.bytes = static_cast<std::int64_t>(body.size());
  if (parser.framing() == Framing::none) body = {};
  const Framing framing = head.body.is_unknown() ? Framing::chunked
                          : head.body.is_empty() ? Framing::none
                                                 : Framing::length;

  std::string wire(head_bytes(head), '\0');
  const bool is_last = step % 2 == 0;
  wire.resize(write_request(head, is_last, wire.data()));
  require(!wire.empty(), "an accepted request can be written");
  wire += framed(framing, body, step, request.fields);

  const Message theirs = second_parser::read_request(wire + "GET /next HTTP/1.1\r\nhost: n\r\n\r\n");
  require(theirs.error.empty() && theirs.is_complete, "it accepts what we write");
  require(theirs.consumed == wire.size(), "it sees the end where we put it");
  require(theirs.method == head.method, "it sees the same method");
  require(theirs.target == std::string(head.path) + (head.has_query ? "?" : "") + std::string(head.query),
          "it sees the same target");
  require(value_of(theirs.fields, "host") == std::string(head.authority) + "|", "it sees one Host, ours");
  require(text_of(theirs.fields) == text_of(head.fields), "it sees the same fields");
  require(theirs.is_keep_alive == !is_last, "it would keep the connection when we would");
  compare_body(theirs, framing, body, request.fields);
}

void check_response(std::string_view bytes, std::size_t step, Method method) {
  Arena arena;
  const http::HeadLimits limits;
  ResponseParser parser(limits);
  parser.start(arena, method);
  const auto progress = parser.feed(bytes);
  if (!progress || !progress->complete) return;
  http::ResponseHead head = parser.head();
  const bool is_interim = head.status < 200;
  const bool is_bodiless = method == Method::head || is_interim || head.status == 204 || head.status == 304;
  std::string_view body = bytes.substr(progress->consumed);
  if (is_bodiless || head.body.is_empty()) body = {};
  if (!head.body.is_unknown()) head.body.bytes = static_cast<std::int64_t>(body.size());
  const Framing framing = is_bodiless ? Framing::none : head.body.is_unknown() ? Framing::chunked : Framing::length;

  std::string wire(head_bytes(head), '\0');
  const bool keep_alive = step % 2 == 0 || is_interim;
  wire.resize(write_response(head, framing, keep_alive, false, wire.data()));
  require(!wire.empty(), "an accepted response can be written");
  wire += framed(framing, body, step, head.fields);

  const Message theirs =
      second_parser::read_response(wire + "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", method == Method::head);
  require(theirs.error.empty() && theirs.is_complete, "it accepts what we write");
  require(theirs.consumed == wire.size(), "it sees the end where we put it");
  require(theirs.status == head.status, "it sees the same status");
  require(text_of(theirs.fields) == text_of(head.fields), "it sees the same fields");
  require(theirs.is_keep_alive == keep_alive, "it would keep the connection when we would");
  compare_body(theirs, framing, body, head.fields);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t knob = input.take_byte();
  const std::size_t step = std::size_t{1} + input.take_byte();
  if (knob % 2 == 0) {
    check_request(input.rest(), step);
  } else {
    check_response(input.rest(), step, knob % 4 == 1 ? Method::get : Method::head);
  }
  return 0;
}
