#pragma once
// Builds a response's head from the fields of a HEADERS frame, within the same limits as the HTTP/1 parser.

#include <cstdint>
#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "http/h1/framing_fields.h"
#include "http/message.h"

namespace sluice::http::h2 {

class ResponseHeadReader {
 public:
  void start(Arena& arena, const HeadLimits& limits, bool is_answer_to_head);
  // Texts need not outlive the call.
  void add(std::string_view name, std::string_view value);
  // `is_whole`: no body follows. Null when head() is complete, else which rule was broken.
  const char* finish(bool is_whole);
  const http::ResponseHead& head() const { return head_; }

 private:
  Arena* arena_ = nullptr;
  const HeadLimits* limits_ = nullptr;
  http::ResponseHead head_;
  h1::FramingFields framing_;
  const char* broken_ = nullptr;  // the first
  std::size_t charged_bytes_ = 0;
  std::uint32_t fields_ = 0;
  bool is_answer_to_head_ = false;
};

}  // namespace sluice::http::h2
