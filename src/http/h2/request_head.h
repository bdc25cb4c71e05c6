#pragma once
// Builds the canonical request from the fields of a HEADERS frame, by the same rules as the HTTP/1 parser: same
// canonicaliser, same limits, same refusals. What RFC 9113 section 8 forbids (pseudo fields out of place, connection
// fields, upper case) libnghttp2 has refused already; what is written here is what it does not know.

#include <cstdint>
#include <string_view>

#include "base/arena.h"
#include "base/cause.h"
#include "http/h1/framing_fields.h"
#include "http/message.h"

namespace sluice::http::h2 {

class RequestHeadReader {
 public:
  // What a field costs beside its bytes: tiny ones are held too.
  static constexpr std::size_t field_overhead = 64;

  void start(Arena& arena, const HeadLimits& limits);
  // Texts need not outlive the call. False: the field is beyond the limits and was dropped; finish() will refuse.
  bool add(std::string_view name, std::string_view value);
  // `is_whole`: the head is the end of the stream. `has_ended`: the end has come since, with no byte before it. A null
  // cause: request() is complete.
  Refusal finish(bool is_whole, bool has_ended = false);

  const Request& request() const { return request_; }
  // For the log line of a refused request. Raw bytes.
  std::string_view method_seen() const { return request_.method_name; }
  std::string_view target_seen() const { return target_; }

 private:
  void add_pseudo(std::string_view name, std::string_view value);
  void add_framing(FieldId id, std::string_view value);
  void add_cookie(std::string_view value);
  void refuse(const Cause& cause, const char* detail) {
    if (refusal_.cause == nullptr) refusal_ = {&cause, detail};
  }
  Refusal settle_websocket(bool is_whole);
  Refusal settle_target();
  Refusal settle_authority();

  Arena* arena_ = nullptr;
  const HeadLimits* limits_ = nullptr;
  Request request_;
  h1::FramingFields framing_;
  Refusal refusal_{};  // the first
  std::string_view scheme_, target_, authority_, host_, protocol_;
  std::string_view cookie_;      // joined so far
  std::size_t cookie_room_ = 0;  // behind it
  std::size_t charged_bytes_ = 0;
  std::uint32_t fields_ = 0;
  bool has_expect_ = false, is_expectation_known_ = false, has_host_ = false;
  bool is_cookie_joined_ = false;
};

}  // namespace sluice::http::h2
