// libFuzzer: a text with variables either reads or is refused with a word; what it renders holds no control character
// and nothing but its literals and what its variables stand for (S26).
//
// The input: a line with the text, then the bytes of a request head.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "base/fuzz_input.h"
#include "base/json.h"
#include "config/value.h"
#include "http/characters.h"
#include "http/h1/parser.h"
#include "policy/value_template.h"

namespace {

using namespace sluice;          // NOLINT: a program of its own
using namespace sluice::policy;  // NOLINT
using fuzz::require;

// False when it was refused.
bool read(std::string_view text, ValueTemplate& out) {
  std::string yaml;
  append_json_string(yaml, text);
  config::Diagnostics diagnostics;
  const auto document = config::parse(yaml, "t.yaml", diagnostics);
  if (!document) return false;  // a character that may not stand in YAML
  config::ReadContext context(diagnostics);
  const bool is_read = ValueTemplate::read(document->root(), out, context);
  require(is_read != diagnostics.has_errors(), "a text that does not read is refused with a word");
  return is_read;
}

bool has_control(std::string_view text) { return std::ranges::any_of(text, http::is_control); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  ValueTemplate value;
  if (!read(input.take_line(), value)) return 0;
  require(!has_control(value.sample("x")), "a text has no control character of its own");

  Arena arena;
  const http::HeadLimits limits;
  http::h1::RequestParser parser(limits);
  parser.start(arena);
  const auto progress = parser.feed(input.rest());
  if (!progress || !progress->complete) return 0;
  const std::array captures{http::Capture{"id", "42"}, http::Capture{"name", parser.request().path}};
  Exchange exchange;
  exchange.begin({.request = &parser.request(),
                  .arena = &arena,
                  .peer = *net::Address::parse_ip("192.0.2.1"),
                  .listener = "public",
                  .route = "all",
                  .captures = captures});
  const std::string_view rendered = value.render(exchange);
  require(!has_control(rendered), "what is rendered holds no control character");
  require(!value.is_constant() || rendered == value.sample("x"), "a constant renders as itself");
  require(value.render(exchange) == rendered, "it renders the same twice");
  return 0;
}
