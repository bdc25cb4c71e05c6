#pragma once
// The inside of JSON strings of bounded size, for log lines: escaping, cutting, masking of secrets. Writes where it is
// told to; allocates nothing. Not for configuration or answers, whose texts must not be cut: that is base/json.h.

#include <cstddef>
#include <string_view>

namespace sluice::gateway {

inline constexpr std::string_view cut_mark = "[cut]";

// One text of at most `cap` bytes once escaped, from one or more pieces; what does not fit gives way to cut_mark, never
// within a character or an escape. The result is ASCII-safe for terminals and line-based tools: every control (C0, DEL,
// C1), quote, backslash, line separator and mark of text direction is escaped, and each byte that is not UTF-8 becomes
// \ufffd.
class TextOut {
 public:
  // `at`: memory of at least `cap` bytes; `cap` is at least the mark's size.
  TextOut(char* at, std::size_t cap) : at_(at), cut_at_(at), limit_(at + cap), soft_limit_(limit_ - cut_mark.size()) {}

  // Pieces must not part a character.
  void append(std::string_view text);
  // Where the text ends.
  char* finish();

 private:
  void append_carefully(std::string_view text);
  std::size_t copy_words(std::string_view text);
  void escape(char32_t code);
  void put(std::string_view piece);

  char* at_;
  char* cut_at_;  // last place at or before soft_limit_ between two characters: where the mark goes
  char* const limit_;
  char* const soft_limit_;
  bool is_cut_ = false;
};

// A query without its '?', with the values of parameters named like secrets (masked_query_names()) as ***.
void append_query(TextOut& out, std::string_view query);
// A URL whose query, if there is one, is masked in the same way.
void append_url(TextOut& out, std::string_view url);

}  // namespace sluice::gateway
