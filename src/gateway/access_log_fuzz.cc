// libFuzzer: whatever a record holds, its line is one line, valid JSON in UTF-8 and bounded; a text that was not cut
// reads back as it was, and no secret of a query is in it (security row D10).

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/fuzz_input.h"
#include "gateway/access_log.h"
#include "gateway/access_text.h"
#include "gateway/log_line_test.h"

namespace {

using namespace sluice;           // NOLINT: a program of its own
using namespace sluice::gateway;  // NOLINT
using fuzz::require;

// How LogLineReader shows a text, by rules of its own: one character after the other.
std::string shown(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Char c = decode_utf8(text);
    const bool is_direction = (c.code >= 0x202a && c.code <= 0x202e) || (c.code >= 0x2066 && c.code <= 0x2069);
    const bool is_line_end = c.code == '\n' || c.code == '\r' || c.code == '\t';
    const bool is_control = c.code < 0x20 || (c.code >= 0x7f && c.code < 0xa0) || c.code == 0x2028 || c.code == 0x2029;
    if (!c.valid || is_direction || (is_control && !is_line_end)) {
      char code[8];
      std::snprintf(code, sizeof code, "<%04x>", static_cast<unsigned>(c.code));
      out += code;
    } else {
      out += text.substr(0, c.size);
    }
    text.remove_prefix(c.size);
  }
  return out;
}

void check_text(std::string_view logged, std::string_view given) {
  const std::string whole = shown(given);
  if (logged == whole) return;
  require(logged.ends_with(cut_mark), "a text is whole or says that it was cut");
  logged.remove_suffix(cut_mark.size());
  require(whole.starts_with(logged) && logged.size() < whole.size(), "what is left of a cut text is its beginning");
}

// No value of a parameter named like a secret, as a server would read the query: split at `&`, or at `;` too.
void check_masked(std::string_view logged) {
  for (const std::string_view name : masked_query_names()) {
    for (const char before : {'&', ';'}) {
      const std::string wanted = before + std::string(name) + "=";
      for (std::size_t at = logged.find(wanted); at != std::string_view::npos; at = logged.find(wanted, at + 1)) {
        const std::string_view value = logged.substr(at + wanted.size());
        const std::size_t stars = std::min(value.find_first_not_of('*'), value.size());
        require(stars >= 3 || value.substr(stars).starts_with(cut_mark), "the value of a secret is masked");
      }
    }
  }
}

std::string line_of(const AccessRecord& record) {
  std::vector<char> memory(most_line_bytes);  // of exactly the promised size, for the sanitizer
  const std::size_t size = format_access(record, memory.data());
  require(size <= most_line_bytes, "a line has at most its promised size");
  return {memory.data(), size};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto times = static_cast<std::uint8_t>(1 + input.take_byte() % 64);
  const auto take = [&] {  // long texts out of short inputs
    const std::string_view line = input.take_line();
    std::string text;
    for (int i = 0; i < times; ++i) text += line;
    return text;
  };
  const std::string path = take(), query = "&" + take(), agent = take(), referer = take(), outcome = take();
  const std::array<AccessAttempt, 2> attempts{{{agent, outcome, -1}, {path, outcome, 1}}};
  const AccessRecord record{.id = outcome,
                            .host = agent,
                            .path = path,
                            .query = query,
                            .detail = path,
                            .attempts = attempts,
                            .request_bytes = static_cast<std::int64_t>(size),
                            .user_agent = agent,
                            .referer = referer};
  const std::string line = line_of(record);
  require(line.find('\n') == line.size() - 1, "a record is one line");
  const auto members = LogLineReader::read(line);
  require(members.has_value(), "a line is valid JSON in UTF-8");
  for (const auto& [name, value] : *members) {
    if (name == "path" || name == "detail") check_text(value, path);
    if (name == "id") check_text(value, outcome);
    if (name == "host" || name == "user_agent") check_text(value, agent);
    if (name == "query") check_masked(value);
    if (name == "request_bytes") require(value == std::to_string(size), "a number reads back");
  }
  return 0;
}
