#include "http/h1/head_text.h"

#include <algorithm>
#include <cstring>

#include "http/characters.h"

namespace sluice::http::h1 {
namespace {

constexpr std::size_t least_room = 1024;
constexpr std::size_t most_piece = 4096;  // what may stand behind a head is not copied beyond this

// What is wrong with a line that the scanner refused. `line` is without its LF.
const char* broken_line_rule(std::string_view line) {
  if (!line.ends_with('\r')) return "line ends without CR";
  line.remove_suffix(1);
  if (line.contains('\r')) return "CR inside a line";
  if (std::ranges::any_of(line, is_control)) return "control character in a field line";
  if (line.starts_with(' ') || line.starts_with('\t')) return "folded line or white space before a field name";
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return "field line without a colon";
  if (colon == 0) return "field without a name";
  if (line[colon - 1] == ' ' || line[colon - 1] == '\t') return "white space before the colon of a field";
  return "character not allowed in a field name";
}

}  // namespace

void HeadText::start(Arena& arena) {
  *this = HeadText();
  arena_ = &arena;
  scanner_ = &scanner();
}

// Goes on in new memory: only the unfinished line is copied, so that a byte moves at most once for each doubling.
void HeadText::move_on(std::size_t wanted) {
  const std::size_t pending = filled_ - at_;
  const std::size_t room = std::clamp(std::max(wanted, pending), least_room, most_piece);
  capacity_ = pending + std::max(room, pending);
  char* const text = arena_->allocate_bytes(capacity_ + slack_bytes);
  if (pending > 0) std::memcpy(text, text_ + at_, pending);
  text_ = text;
  filled_ = pending;
  searched_ = searched_ > at_ ? searched_ - at_ : 0;
  at_ = 0;
}

std::size_t HeadText::append(std::string_view input) {
  if (filled_ == capacity_) move_on(input.size());
  const std::size_t size = std::min({input.size(), capacity_ - filled_, most_piece});
  std::memcpy(text_ + filled_, input.data(), size);
  filled_ += size;
  return size;
}

HeadText::Found HeadText::too_large(const TextLimits& limits) {
  // Whichever limit the bytes reached first.
  const bool is_line = limits.line_bytes + line_end_bytes + taken_bytes_ <= limits.head_bytes;
  detail_ = is_line ? "line longer than its limit" : "head longer than its limit";
  return Found::too_large;
}

// `line`: line_size has the bytes up to and with the LF.
HeadText::Found HeadText::find_end(const TextLimits& limits, std::size_t& line_size) {
  const std::size_t from = std::max(at_, searched_);
  const void* const end = filled_ > from ? std::memchr(text_ + from, '\n', filled_ - from) : nullptr;
  searched_ = filled_;
  line_size =
      end == nullptr ? filled_ - at_ : static_cast<std::size_t>(static_cast<const char*>(end) - text_) + 1 - at_;
  if (is_over(limits, line_size)) return too_large(limits);
  if (end == nullptr) return Found::incomplete;
  searched_ = at_ + line_size;
  return Found::line;
}

HeadText::Found HeadText::next_line(const TextLimits& limits, std::string_view& line) {
  std::size_t size = 0;
  if (const Found found = find_end(limits, size); found != Found::line) return found;
  const char* const begin = text_ + at_;
  if (size < line_end_bytes || begin[size - 2] != '\r') {
    detail_ = "line ends without CR";
    return Found::malformed;
  }
  line = {begin, size - line_end_bytes};
  take(size);
  return Found::line;
}

HeadText::Found HeadText::next_field_slowly(const TextLimits& limits, FieldText& field) {
  std::size_t size = 0;
  if (const Found found = find_end(limits, size); found != Found::line) return found;
  searched_ = at_;
  return next_field(limits, field);
}

// There is no flawless field line at the front: the empty line, a broken or an unfinished one.
HeadText::Found HeadText::judge_field(const TextLimits& limits) {
  std::size_t size = 0;
  if (const Found found = find_end(limits, size); found != Found::line) return found;
  const std::string_view line(text_ + at_, size);
  if (line == "\r\n") {
    take(size);
    return Found::end;
  }
  detail_ = broken_line_rule(line.substr(0, size - 1));
  return Found::malformed;
}

}  // namespace sluice::http::h1
