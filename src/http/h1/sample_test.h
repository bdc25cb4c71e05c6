#pragma once
// Feeds heads to the parsers in chosen pieces and writes down what came of it, for the tests of this folder.
// Not used outside tests.

#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/causes.h"
#include "http/h1/parser.h"
#include "http/h1/writer.h"

namespace sluice::http::h1::sample {

// What a parser made of some bytes: all of it, as text, so that two outcomes can be compared.
struct Outcome {
  const Cause* cause = nullptr;  // null: accepted, or incomplete
  std::string detail;
  bool complete = false;
  std::size_t consumed = 0;
  std::string request;    // the canonical request, spelled out
  std::string rewritten;  // what goes to the upstream

  bool operator==(const Outcome&) const = default;
  friend void PrintTo(const Outcome& outcome, std::ostream* out) {
    *out << (outcome.cause != nullptr ? outcome.cause->code
             : outcome.complete       ? "accepted"
                                      : "incomplete")
         << " " << outcome.detail << " " << outcome.consumed << "\n"
         << outcome.request;
  }
};

inline std::string spell_out(const RequestParser& parser) {
  const Request& request = parser.request();
  const auto flag = [](bool is, const char* name) { return is ? std::string(" ") + name : std::string(); };
  std::string text;
  text.append(request.method_name).append(" ").append(request.authority).append(" host=").append(request.host);
  text.append(" port=" + std::to_string(request.port) + " path=").append(request.path).append(" segments=");
  for (const std::string_view segment : request.segments) text.append("[").append(segment).append("]");
  text.append(flag(request.has_query, "?")).append(request.query);
  text += flag(request.has_encoded_slash, "encoded_slash") + flag(request.expects_continue, "continue") +
          flag(request.is_http10, "1.0") + flag(parser.keep_alive(), "keep_alive");
  text +=
      " framing=" + std::to_string(static_cast<int>(parser.framing())) + " body=" + std::to_string(request.body.bytes);
  for (const Field& field : request.fields) {
    text.append("\n").append(field.name).append(": ").append(field.value);
    text += " #" + std::to_string(static_cast<int>(field.id));
  }
  return text;
}

inline RequestHead head_of(const Request& request) {
  return {request.method_name, request.authority, request.path, request.has_query,
          request.query,       request.fields,    request.body};
}

inline std::string rewrite(const RequestHead& head, bool close = false) {
  std::string out(head_bytes(head), '\0');
  out.resize(write_request(head, close, out.data()));
  return out;
}

// Feeds the pieces one by one, each from memory of its own, until the head is complete or refused.
inline Outcome parse(std::span<const std::string_view> pieces, const HeadLimits& limits = {}) {
  Arena arena;
  RequestParser parser(limits);
  parser.start(arena);
  Outcome outcome;
  for (const std::string_view piece : pieces) {
    const std::vector<char> bytes(piece.begin(), piece.end());
    const auto progress = parser.feed({bytes.data(), bytes.size()});
    if (!progress) {
      outcome.consumed = 0;  // how much came before is a matter of cuts
      outcome.cause = progress.error().cause;
      outcome.detail = progress.error().detail;
      return outcome;
    }
    outcome.consumed += progress->consumed;
    if (!progress->complete) continue;
    outcome.complete = true;
    outcome.request = spell_out(parser);
    outcome.rewritten = rewrite(head_of(parser.request()));
    return outcome;
  }
  return outcome;
}

inline Outcome parse(std::string_view bytes, const HeadLimits& limits = {}) {
  const std::string_view pieces[] = {bytes};
  return parse(pieces, limits);
}

inline Outcome parse_in_two(std::string_view bytes, std::size_t cut, const HeadLimits& limits = {}) {
  const std::string_view pieces[] = {bytes.substr(0, cut), bytes.substr(cut)};
  return parse(pieces, limits);
}

inline Outcome parse_in_steps(std::string_view bytes, std::size_t step, const HeadLimits& limits = {}) {
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < bytes.size(); at += step) pieces.push_back(bytes.substr(at, step));
  return parse(pieces, limits);
}

}  // namespace sluice::http::h1::sample
