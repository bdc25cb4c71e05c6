// libFuzzer: reading a response head does not depend on where its bytes are cut, and what is written of an accepted one
// reads back as the same response.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/fuzz_input.h"
#include "http/characters.h"
#include "http/h1/parser.h"
#include "http/h1/writer.h"

namespace {

using namespace sluice;            // NOLINT: a program of its own
using namespace sluice::http::h1;  // NOLINT
using fuzz::require;
using http::Method;

// What came of the bytes, as text; `rewritten` is what a client would get, "" unless the head is complete.
struct Outcome {
  std::string text = "incomplete";
  std::string rewritten;
  std::size_t consumed = 0;
  bool operator==(const Outcome&) const = default;
};

// As a server connection frames it for a client of HTTP/1.1 (RFC 9112 section 6.3).
Framing framing_to_client(const http::ResponseHead& head, Method method) {
  if (method == Method::head || head.status < 200 || head.status == 204 || head.status == 304) return Framing::none;
  return head.body.is_unknown() ? Framing::chunked : Framing::length;
}

std::string rewrite(const http::ResponseHead& head, Method method, bool keep_alive) {
  std::string out(head_bytes(head), '\0');
  out.resize(write_response(head, framing_to_client(head, method), keep_alive, false, out.data()));
  require(!out.empty(), "an accepted head can be written");
  return out;
}

Outcome outcome_of(const ResponseParser& parser, Method method, std::size_t consumed) {
  const http::ResponseHead& head = parser.head();
  require(head.status >= 100 && head.status <= 599 && head.status != 101, "a status is known");
  require(head.body.is_unknown() || head.body.bytes >= 0, "a size is a size");
  Outcome outcome;
  outcome.text = std::to_string(head.status) + " framing " + std::to_string(static_cast<int>(parser.framing())) +
                 " body " + std::to_string(head.body.bytes) + " announced " + std::to_string(head.announced_length) +
                 (parser.keep_alive() ? " keep-alive" : "");
  for (const http::Field& field : head.fields) {
    require(!is_framing_field(http::field_id(field.name)), "framing fields have become facts");
    require(std::ranges::none_of(field.value, http::is_control), "a value holds no control character");
    outcome.text.append("\n").append(field.name).append(": ").append(field.value);
  }
  outcome.rewritten = rewrite(head, method, parser.keep_alive());
  outcome.consumed = consumed;
  return outcome;
}

Outcome read(const std::vector<std::string_view>& pieces, Method method, const http::HeadLimits& limits) {
  Arena arena;
  ResponseParser parser(limits);
  parser.start(arena, method);
  std::size_t consumed = 0, given = 0;
  for (const std::string_view piece : pieces) {
    const std::vector<char> bytes(piece.begin(), piece.end());
    const auto progress = parser.feed({bytes.data(), bytes.size()});
    given += piece.size();
    require(arena.used_bytes() <= 8 * given + 32 * 1024 + 2048 * pieces.size(), "memory is in proportion to the bytes");
    if (!progress) {
      require(progress.error().what != nullptr && progress.error().side == Side::upstream, "a fault is the upstream's");
      return {.text = progress.error().what, .rewritten = {}, .consumed = 0};
    }
    consumed += progress->consumed;
    if (progress->complete) return outcome_of(parser, method, consumed);
  }
  return {};
}

std::vector<std::string_view> steps(std::string_view bytes, std::size_t step) {
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < bytes.size(); at += step) pieces.push_back(bytes.substr(at, step));
  return pieces;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const fuzz::Cuts cuts(input);
  const Method method = input.take_byte() % 2 == 0 ? Method::head : Method::get;
  const std::string_view bytes = input.rest();
  const http::HeadLimits small{.start_line_bytes = 64, .field_line_bytes = 48, .head_bytes = 160, .fields = 4};
  for (const http::HeadLimits& limits : {http::HeadLimits{}, small}) {
    const Outcome whole = read({bytes}, method, limits);
    const std::size_t cut = cuts.first % (bytes.size() + 1);
    require(read({bytes.substr(0, cut), bytes.substr(cut)}, method, limits) == whole, "a cut changes nothing");
    require(read(steps(bytes, cuts.step), method, limits) == whole, "many cuts change nothing");
    if (whole.rewritten.empty()) continue;
    require(bytes.substr(0, whole.consumed).ends_with("\r\n\r\n"), "a head ends in an empty line");
    const http::HeadLimits roomy{.head_bytes = 128 * 1024, .fields = 200};  // the writer may add a field
    const Outcome again = read({whole.rewritten}, method, roomy);
    require(again.consumed == whole.rewritten.size() && again.rewritten == whole.rewritten,
            "what is written reads back as the same head");
  }
  return 0;
}
