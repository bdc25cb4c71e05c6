// libFuzzer: whatever the bytes, a config file ends in a tree or in words, and the words are clean UTF-8 lines.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/json.h"
#include "config/sample_test.h"

namespace {

void check_printable(std::string_view text) {
  while (!text.empty()) {
    const sluice::Utf8Char c = sluice::decode_utf8(text);
    if (!c.valid || (c.code < 0x20 && c.code != '\n')) std::abort();
    text.remove_prefix(c.size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::config;
  Diagnostics diagnostics;
  const auto document = parse(std::string(reinterpret_cast<const char*>(data), size), "g.yaml", diagnostics);
  sample::Gateway value;
  const bool is_read = document && read(*document, value, diagnostics);
  if (!is_read && !diagnostics.has_errors()) std::abort();  // a failure without a word
  check_printable(diagnostics.render());
  check_printable(diagnostics.render_json());
  return 0;
}
