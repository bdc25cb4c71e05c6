#include "answer.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace load {

namespace {

// `name: ` of any line, in lower or upper case; empty when there is none. `head` ends in an empty line.
std::string_view field(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    if (strncasecmp(line.data(), name.data(), name.size()) != 0) continue;
    const std::size_t value = line.find_first_not_of(' ', name.size() + 1);
    return value == std::string_view::npos ? std::string_view() : line.substr(value);
  }
  return {};
}

std::string_view cause_of(std::string_view body) {
  constexpr std::string_view mark = "\"cause\":\"";
  const std::size_t at = body.find(mark);
  if (at == std::string_view::npos) return {};
  return body.substr(at + mark.size(), body.find('"', at + mark.size()) - at - mark.size());
}

}  // namespace

AnswerReader::State AnswerReader::take(std::string_view bytes) {
  text_ += bytes;
  if (body_at_ == 0) {
    const std::size_t end = text_.find("\r\n\r\n");
    if (end == std::string::npos) return State::more;
    if (take_head(end + 4) == State::malformed) return State::malformed;
  }
  if (text_.size() < body_at_ + body_size_) return State::more;
  if (text_.size() > body_at_ + body_size_) return State::malformed;
  answer_.body = text_.substr(body_at_);
  answer_.cause = cause_of(answer_.body);
  return State::whole;
}

AnswerReader::State AnswerReader::take_head(std::size_t end) {
  const std::string_view head(text_.data(), end);
  if (!head.starts_with("HTTP/1.1 ")) return State::malformed;
  std::from_chars(head.data() + 9, head.data() + 12, answer_.status);
  const std::string_view length = field(head, "content-length");
  const auto [rest, error] = std::from_chars(length.data(), length.data() + length.size(), body_size_);
  if (length.empty() || error != std::errc{} || rest != length.data() + length.size()) return State::malformed;
  answer_.closes = field(head, "connection") == "close";
  body_at_ = end;
  text_.reserve(end + std::min<std::size_t>(body_size_, 1 << 20));
  return State::more;
}

void AnswerReader::clear() {
  text_.clear();
  body_at_ = body_size_ = 0;
  answer_ = {};
}

std::string_view upstream_of(std::string_view body, std::string_view tag, std::size_t size) {
  const std::size_t name = body.find(' ');
  if (name == std::string_view::npos || body.substr(name + 1, tag.size()) != tag) return {};
  const std::size_t end = name + 1 + tag.size();
  if (body.size() != std::max(size, end) || body.find_first_not_of('.', end) != std::string_view::npos) return {};
  return body.substr(0, name);
}

std::string body_for(std::string_view name, std::string_view tag, std::size_t size) {
  std::string body(name);
  body += ' ';
  body += tag;
  if (body.size() < size) body.append(size - body.size(), '.');
  return body;
}

}  // namespace load
