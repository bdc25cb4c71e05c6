#include "http/h2/response_head.h"

#include <algorithm>
#include <charconv>

#include "http/h2/request_head.h"

namespace sluice::http::h2 {
namespace {

constexpr std::size_t usual_fields = 24;

}  // namespace

void ResponseHeadReader::start(Arena& arena, const HeadLimits& limits, bool is_answer_to_head) {
  *this = ResponseHeadReader();
  arena_ = &arena;
  limits_ = &limits;
  is_answer_to_head_ = is_answer_to_head;
  head_.fields.reserve(arena, std::min<std::size_t>(usual_fields, limits.fields));
}

void ResponseHeadReader::add(std::string_view name, std::string_view value) {
  charged_bytes_ += name.size() + value.size() + RequestHeadReader::field_overhead;
  const auto refuse = [&](const char* detail) {
    if (broken_ == nullptr) broken_ = detail;
  };
  if (name == ":status") {
    const auto [end, fault] = std::from_chars(value.data(), value.data() + value.size(), head_.status);
    if (fault != std::errc() || end != value.data() + value.size() || value.size() != 3 || head_.status < 100 ||
        head_.status > 599 || head_.status == 101)
      refuse("status out of range");
    return;
  }
  if (++fields_ > limits_->fields) return refuse("too many fields in the response");
  if (charged_bytes_ > limits_->head_bytes || name.size() + value.size() > limits_->field_line_bytes)
    return refuse("response head too large");
  const FieldId id = field_id(name);
  if (id == FieldId::content_length) {
    if (const char* const detail = framing_.take_content_length(value)) refuse(detail);
  } else if (!h1::is_framing_field(id)) {
    head_.fields.add(*arena_, {arena_->copy(name), arena_->copy(value), id});
  }
}

const char* ResponseHeadReader::finish(bool is_whole) {
  if (broken_ != nullptr) return broken_;
  const bool is_bodiless = is_answer_to_head_ || head_.status == 204 || head_.status == 304 || head_.status < 200;
  head_.body.bytes = is_whole || is_bodiless ? 0 : framing_.content_length();
  if (is_answer_to_head_ || head_.status == 304) head_.announced_length = framing_.content_length();
  return nullptr;
}

}  // namespace sluice::http::h2
