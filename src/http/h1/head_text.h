#pragma once
// The text of one head as it arrives: copies it into the arena and hands it out line by line. Holds the rules of lines
// and field lines (RFC 9112 sections 2.2 and 5), not the meaning of any field.
//
// A line is judged when its end is there, so that the outcome does not depend on where the bytes were cut; only the
// limits strike at once. Every byte is copied, searched for a line end and parsed once, in pieces of any size.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/arena.h"
#include "http/scan.h"

namespace sluice::http::h1 {

struct TextLimits {
  std::size_t line_bytes;  // of one line, without its end
  std::size_t head_bytes;  // of all, line ends included
};

// One field line, in memory that may be changed. The name is in lower case, the value trimmed.
struct FieldText {
  char* name;
  std::size_t name_size;
  char* value;
  std::size_t value_size;
  bool has_underscore;  // in the name

  std::string_view name_view() const { return {name, name_size}; }
  std::string_view value_view() const { return {value, value_size}; }
};

class HeadText {
 public:
  enum class Found : std::uint8_t { line, end, incomplete, too_large, malformed };

  void start(Arena& arena);
  // Takes some bytes from the front of `input` (not empty); returns how many: at least one.
  std::size_t append(std::string_view input);

  // The next line without its end. Never `end`: an empty line is a line here.
  Found next_line(const TextLimits& limits, std::string_view& line);
  // The next field; `end` after the empty line behind the last one.
  Found next_field(const TextLimits& limits, FieldText& field) {
    if (searched_ > at_) return next_field_slowly(limits, field);  // the line was seen before, unfinished
    char* const line = text_ + at_;
    FieldSpan span;
    const std::size_t size = scanner_->field_line(line, filled_ - at_, span);
    if (size == 0) return judge_field(limits);
    if (is_over(limits, size)) return too_large(limits);
    field = {line, span.name_size, line + span.value_begin, span.value_end - span.value_begin, span.has_underscore};
    take(size);
    return Found::line;
  }
  const char* detail() const { return detail_; }  // after too_large and malformed: which rule

  std::string_view unread() const { return {text_ + at_, filled_ - at_}; }

 private:
  static constexpr std::size_t line_end_bytes = 2;

  Found find_end(const TextLimits& limits, std::size_t& line_size);
  Found judge_field(const TextLimits& limits);
  Found too_large(const TextLimits& limits);
  Found next_field_slowly(const TextLimits& limits, FieldText& field);
  // `line_size` with line end, or what is there of a line whose end is not.
  bool is_over(const TextLimits& limits, std::size_t line_size) const {
    return line_size > limits.line_bytes + line_end_bytes || taken_bytes_ + line_size > limits.head_bytes;
  }
  void take(std::size_t line_size) {
    at_ += line_size;
    taken_bytes_ += line_size;
  }
  void move_on(std::size_t room);

  Arena* arena_ = nullptr;
  const Scanner* scanner_ = nullptr;
  char* text_ = nullptr;  // followed by slack for the scanner
  std::size_t capacity_ = 0;
  std::size_t filled_ = 0;
  std::size_t at_ = 0;           // where the next line begins
  std::size_t searched_ = 0;     // no line end in [at_, searched_)
  std::size_t taken_bytes_ = 0;  // of lines handed out
  const char* detail_ = "";
};

}  // namespace sluice::http::h1
