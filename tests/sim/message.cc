#include "message.h"

#include <algorithm>
#include <charconv>

namespace sluice::sim {
namespace {

constexpr std::size_t most_head_bytes = 16 * 1024;

bool is_number(std::string_view text, int base, std::size_t& value) {
  if (text.empty() || text.size() > 15) return false;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return end.ec == std::errc() && end.ptr == text.data() + text.size();
}

}  // namespace

std::string body_of(int tag, Side side, std::size_t from, std::size_t count) {
  std::string text(count, 0);
  for (std::size_t i = 0; i < count; ++i) text[i] = body_byte(tag, side, from + i);
  return text;
}

const std::string* Head::find(std::string_view name) const {
  for (const auto& [key, value] : fields)
    if (key == name) return &value;
  return nullptr;
}

bool Head::says(std::string_view name, std::string_view value) const {
  const std::string* const found = find(name);
  return found != nullptr && *found == value;
}

bool MessageReader::take_line(std::string& line) {
  const std::size_t end = input_.find("\r\n");
  if (end == std::string::npos) return false;
  line = input_.substr(0, end);
  input_.erase(0, end + 2);
  consumed += end + 2;
  return true;
}

MessageReader::Found MessageReader::next() {
  body.clear();
  switch (state_) {
    case State::head:
      return read_head();
    case State::length:
    case State::chunk_data:
    case State::until_close:
      return take_data();
    case State::chunk_size:
      return read_chunk_size();
    case State::chunk_end:
      if (input_.size() < 2) return Found::nothing;
      if (!input_.starts_with("\r\n")) return fail("no CRLF behind a chunk");
      input_.erase(0, 2);
      consumed += 2;
      state_ = State::chunk_size;
      return next();
    case State::trailers: {
      std::string line;
      if (!take_line(line)) return Found::nothing;
      if (!line.empty()) return fail("trailers, which nobody sent");
      state_ = State::end;
      return next();
    }
    case State::end:
      state_ = State::head;
      return Found::end;
  }
  return Found::nothing;
}

MessageReader::Found MessageReader::read_head() {
  const std::size_t end = input_.find("\r\n\r\n");
  if (end == std::string::npos) return input_.size() > most_head_bytes ? fail("a head without an end") : Found::nothing;
  head = {};
  std::string line;
  take_line(head.start);
  while (take_line(line) && !line.empty()) {
    const std::size_t mark = line.find(": ");
    if (mark == std::string::npos || mark == 0) return fail("a field without a name");
    std::string name = line.substr(0, mark);
    if (std::ranges::any_of(name, [](char c) { return c <= ' ' || (c >= 'A' && c <= 'Z'); }))
      return fail("a field's name is not lower case");  // as the gateway and the services write them
    head.fields.emplace_back(std::move(name), line.substr(mark + 2));
  }
  return Found::head;
}

void MessageReader::start_body(Framing framing, std::size_t length) {
  left_ = length;
  body_total_ = 0;
  const bool is_empty = framing == Framing::none || (framing == Framing::length && length == 0);
  state_ = is_empty                      ? State::end
           : framing == Framing::length  ? State::length
           : framing == Framing::chunked ? State::chunk_size
                                         : State::until_close;
}

bool MessageReader::start_body_by_fields(bool is_answer) {
  const std::string* const length = head.find("content-length");
  const std::string* const coding = head.find("transfer-encoding");
  for (const std::string_view name : {"content-length", "transfer-encoding", "connection"}) {
    if (std::ranges::count(head.fields, name, [](const auto& field) { return field.first; }) > 1) return false;
  }
  if (length != nullptr && coding != nullptr) return false;
  if (coding != nullptr) {
    start_body(Framing::chunked, 0);
    return *coding == "chunked";
  }
  std::size_t bytes = 0;
  if (length != nullptr) {
    if (!is_number(*length, 10, bytes)) return false;
    start_body(Framing::length, bytes);
    return true;
  }
  start_body(is_answer ? Framing::until_close : Framing::none, 0);
  return true;
}

MessageReader::Found MessageReader::take_data() {
  if (input_.empty()) return Found::nothing;
  const std::size_t count = state_ == State::until_close ? input_.size() : std::min(left_, input_.size());
  body = input_.substr(0, count);
  input_.erase(0, count);
  consumed += count;
  body_offset = body_total_;
  body_total_ += count;
  if (state_ != State::until_close && (left_ -= count) == 0)
    state_ = state_ == State::length ? State::end : State::chunk_end;
  return Found::body;
}

MessageReader::Found MessageReader::read_chunk_size() {
  std::string line;
  if (!take_line(line)) return input_.size() > 20 ? fail("a chunk size without an end") : Found::nothing;
  if (!is_number(line, 16, left_)) return fail("a chunk size that is no number");
  state_ = left_ > 0 ? State::chunk_data : State::trailers;
  return next();
}

}  // namespace sluice::sim
