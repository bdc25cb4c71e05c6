#pragma once
// The loops over every byte of a head, in three versions: AVX2, SSE4.2 and one byte at a time. The machine decides once
// which runs; all give the same answers (security invariant I12).
// Not a parser: a version only accepts what is flawless. What is wrong with the rest is found by slower code elsewhere.
//
// Every text must be followed by slack_bytes that may be read; field_line() may also change them.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::http {

inline constexpr std::size_t slack_bytes = 32;

// Where the parts of a field line are.
struct FieldSpan {
  std::size_t name_size;
  std::size_t value_begin, value_end;  // white space trimmed
  bool has_underscore;                 // in the name
};

struct Scanner {
  const char* name;
  // Reads one field line, line end included, from the front of `size` bytes, and puts its name into lower case. Returns
  // the bytes of the line; 0 when there is no whole and flawless one (then the name may be in lower case all the same).
  std::size_t (*field_line)(char* line, std::size_t size, FieldSpan& span);
  // Cuts a path that starts with `/` and is canonical as it stands into its segments. Returns how many; 0 when a closer
  // look is needed: special characters, empty or dotted segments, or more than `capacity` of them.
  std::size_t (*plain_path)(const char* path, std::size_t size, std::string_view* segments, std::size_t capacity);
  // How many characters in front may stand in a request target.
  std::size_t (*target)(const char* text, std::size_t size);
  // How many characters in front may stand in a token.
  std::size_t (*token)(const char* text, std::size_t size);
  // How many controls there are, HTAB not counted.
  std::size_t (*controls)(const char* text, std::size_t size);
};

const Scanner& scanner();                    // the best for this machine
std::span<const Scanner* const> scanners();  // all that this machine can run; the scalar one first

// For tests: what scanner() gives from now on. Not while another thread parses.
void choose_scanner(const Scanner& scan);

extern const Scanner scalar_scanner, sse42_scanner, avx2_scanner;

}  // namespace sluice::http
