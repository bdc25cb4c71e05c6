// libFuzzer: reading a request head does not depend on where its bytes are cut; what is accepted is clean, needs memory
// in proportion to its size, and what is written of it reads back as the same request.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "base/fuzz_input.h"
#include "http/characters.h"
#include "http/h1/parser.h"
#include "http/h1/sample_test.h"

namespace {

using namespace sluice;            // NOLINT: a program of its own
using namespace sluice::http::h1;  // NOLINT
using fuzz::require;

const http::HeadLimits small_limits{.start_line_bytes = 64, .field_line_bytes = 48, .head_bytes = 160, .fields = 4};
// What we write may have a few fields more than what we read.
const http::HeadLimits roomy{.head_bytes = 128 * 1024, .fields = 200};

void check_cuts(std::string_view bytes, const fuzz::Cuts& cuts, const http::HeadLimits& limits,
                const sample::Outcome& whole) {
  const std::size_t most = bytes.size() + 1;
  const std::size_t first = std::min(cuts.first % most, cuts.second % most);
  const std::size_t second = std::max(cuts.first % most, cuts.second % most);
  const std::array pieces{bytes.substr(0, first), bytes.substr(first, second - first), bytes.substr(second)};
  require(sample::parse(pieces, limits) == whole, "the outcome does not depend on two cuts");
  require(sample::parse_in_steps(bytes, cuts.step, limits) == whole, "the outcome does not depend on many cuts");
}

// The bytes up to the end of the head decide, and nothing short of them.
void check_end(std::string_view bytes, const http::HeadLimits& limits, const sample::Outcome& whole) {
  const std::string_view head = bytes.substr(0, whole.consumed);
  require(head.ends_with("\r\n\r\n"), "a head ends in an empty line");
  require(sample::parse(head, limits) == whole, "what follows a head does not change it");
  const sample::Outcome shorter = sample::parse(head.substr(0, head.size() - 1), limits);
  require(!shorter.complete && shorter.cause == nullptr, "a head is not complete without its last byte");
}

void check_request(const http::Request& request) {
  require(http::token_characters.contains_all(request.method_name), "a method is a token");
  require(request.path == "*" || request.path.starts_with('/'), "a path starts with a slash");
  require(!request.path.contains('?') && !request.path.contains('#'), "a path is only a path");
  for (const http::Field& field : request.fields) {
    require(http::token_characters.contains_all(field.name) && !field.name.empty(), "a name is a token");
    require(std::ranges::none_of(field.name, http::is_upper) && !field.name.contains('_'), "a name has one spelling");
    require(!is_framing_field(http::field_id(field.name)), "framing fields have become facts");
    require(field.id == http::field_id(field.name), "a field has the id of its name");
    require(std::ranges::none_of(field.value, http::is_control), "a value holds no control character");
    require(field.value.empty() || (!std::string_view(" \t").contains(field.value.front()) &&
                                    !std::string_view(" \t").contains(field.value.back())),
            "a value is trimmed");
  }
}

void check_memory(std::string_view bytes, const http::HeadLimits& limits) {
  Arena arena;
  RequestParser parser(limits);
  parser.start(arena);
  const auto progress = parser.feed(bytes);
  require(arena.used_bytes() <= 8 * bytes.size() + 32 * 1024, "memory is in proportion to the bytes");
  if (progress && progress->complete) check_request(parser.request());
  if (!progress) {
    require(progress.error().cause != nullptr && *progress.error().detail != '\0',
            "a refusal has a cause and a detail");
    (void)parser.method_seen();
    (void)parser.target_seen();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const fuzz::Cuts cuts(input);
  const std::string_view bytes = input.rest();
  for (const http::HeadLimits& limits : {http::HeadLimits{}, small_limits}) {
    const sample::Outcome whole = sample::parse(bytes, limits);
    check_cuts(bytes, cuts, limits, whole);
    check_memory(bytes, limits);
    if (!whole.complete) continue;
    check_end(bytes, limits, whole);
    if (whole.request.contains("  host=")) continue;  // HTTP/1.0 without Host: the gateway names one
    const sample::Outcome again = sample::parse(whole.rewritten, roomy);
    require(again.complete && again.consumed == whole.rewritten.size(), "what is written is one head");
    require(again.rewritten == whole.rewritten, "what is written reads back as the same head");
  }
  return 0;
}
