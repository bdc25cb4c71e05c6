// libFuzzer: every version of the scanner gives the same answers, at every alignment and whatever stands behind the
// text (security invariant I12).

#include <cstdint>
#include <string>
#include <vector>

#include "base/fuzz_input.h"
#include "http/scan.h"

namespace {

using namespace sluice;        // NOLINT: a program of its own
using namespace sluice::http;  // NOLINT

// The text at an offset into memory of its own, with slack behind it.
struct Placed {
  Placed(std::string_view text, std::size_t offset, char slack)
      : memory(offset + text.size() + slack_bytes, slack), text(memory.data() + offset), size(text.size()) {
    text.copy(this->text, size);
  }
  std::vector<char> memory;
  char* text;
  std::size_t size;
};

std::string answers(const Scanner& scan, Placed placed) {
  std::string out;
  const auto note = [&out](std::size_t number) { out += std::to_string(number) + ","; };
  note(scan.target(placed.text, placed.size));
  note(scan.token(placed.text, placed.size));
  note(scan.controls(placed.text, placed.size));
  if (placed.size > 0 && placed.text[0] == '/') {
    std::string_view segments[8];
    const std::size_t count = scan.plain_path(placed.text, placed.size, segments, std::size(segments));
    note(count);
    for (std::size_t i = 0; i < count; ++i) out.append(segments[i]).append("|");
  }
  FieldSpan span{};
  const std::size_t size = scan.field_line(placed.text, placed.size, span);
  note(size);
  if (size == 0) return out;
  note(span.name_size), note(span.value_begin), note(span.value_end), note(span.has_underscore);
  return out.append(placed.text, placed.size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t offset = input.take_byte() % 64u;
  const char slack = static_cast<char>(input.take_byte());
  const std::string wanted = answers(scalar_scanner, Placed(input.rest(), 0, 'x'));
  for (const Scanner* scan : scanners())
    fuzz::require(answers(*scan, Placed(input.rest(), offset, slack)) == wanted, "all scanners give the same answers");
  return 0;
}
