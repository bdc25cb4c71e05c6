#include <algorithm>

#include "http/characters.h"
#include "http/h1/parser.h"
#include "http/scan.h"
#include "http/websocket/handshake.h"

namespace sluice::http::h1 {
namespace {

constexpr std::size_t usual_fields = 24;

constexpr Error accepted{Code::malformed, Side::upstream, false, nullptr};
constexpr Error malformed(const char* what) { return {Code::malformed, Side::upstream, false, what}; }
constexpr Error too_large(const char* what) { return {Code::too_large, Side::upstream, false, what}; }

}  // namespace

void ResponseParser::start(Arena& arena, Method request_method, std::string_view websocket_accept) {
  arena_ = &arena;
  websocket_accept_ = websocket_accept;
  text_.start(arena);
  framing_fields_.clear();
  head_ = ResponseHead();
  stage_ = Stage::start_line;
  framing_ = Framing::none;
  is_http10_ = keep_alive_ = false;
  field_count_ = 0;
  is_answer_to_head_ = request_method == Method::head;
}

std::expected<Progress, Error> ResponseParser::feed(std::string_view input) {
  std::size_t taken = 0;
  while (taken < input.size()) {
    taken += text_.append(input.substr(taken));
    if (const Check check = advance(); check.what != nullptr) return std::unexpected(check);
    if (stage_ == Stage::complete) return Progress{true, taken - text_.unread().size()};
  }
  return Progress{false, taken};
}

ResponseParser::Check ResponseParser::advance() {
  if (stage_ == Stage::start_line) {
    if (const Check check = read_status_line(); check.what != nullptr || stage_ == Stage::start_line) return check;
  }
  return read_fields();
}

ResponseParser::Check ResponseParser::read_status_line() {
  std::string_view line;
  switch (text_.next_line({limits_.start_line_bytes, limits_.head_bytes}, line)) {
    case HeadText::Found::too_large:
      return too_large(text_.detail());
    case HeadText::Found::malformed:
      return malformed(text_.detail());
    case HeadText::Found::line:
      return take_status_line(line);
    case HeadText::Found::incomplete:
    case HeadText::Found::end:
      break;
  }
  return accepted;
}

// `HTTP/1.1 200` with an optional space and reason. RFC 9112 section 4 wants the space; some servers leave it out.
ResponseParser::Check ResponseParser::take_status_line(std::string_view line) {
  constexpr std::size_t status_begin = 9, status_end = 12;
  is_http10_ = line.starts_with("HTTP/1.0 ");
  if (!is_http10_ && !line.starts_with("HTTP/1.1 ")) return malformed("status line without an HTTP/1 version");
  const std::string_view status = line.substr(status_begin, status_end - status_begin);
  if (status.size() != 3 || !std::ranges::all_of(status, is_digit)) return malformed("status is not three digits");
  head_.status = (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
  if (head_.status < 100 || head_.status > 599) return malformed("status is not from 100 to 599");
  if (head_.status == 101 && websocket_accept_.empty())
    return malformed("switch of protocols that nobody asked for");
  if (line.size() > status_end && line[status_end] != ' ') return malformed("status is not three digits");
  if (scanner().controls(line.data(), line.size()) != 0) return malformed("control character in the status line");
  stage_ = Stage::fields;
  head_.fields.reserve(*arena_, std::min<std::size_t>(usual_fields, limits_.fields));
  return accepted;
}

ResponseParser::Check ResponseParser::read_fields() {
  const TextLimits limits{limits_.field_line_bytes, limits_.head_bytes};
  FieldText field;
  while (true) {
    switch (text_.next_field(limits, field)) {
      case HeadText::Found::incomplete:
        return accepted;
      case HeadText::Found::too_large:
        return too_large(text_.detail());
      case HeadText::Found::malformed:
        return malformed(text_.detail());
      case HeadText::Found::end:
        return finish();
      case HeadText::Found::line:
        break;
    }
    if (++field_count_ > limits_.fields) return too_large("too many fields");
    const FieldId id = field_id(field.name_view());
    if (!is_framing_field(id)) {
      head_.fields.add(*arena_, {field.name_view(), field.value_view(), id});
    } else if (const char* const what = take_framing_field(id, field)) {
      return malformed(what);
    }
  }
}

const char* ResponseParser::take_framing_field(FieldId id, const FieldText& field) {
  switch (id) {
    case FieldId::connection:
      return framing_fields_.take_connection(field.value, field.value_size);
    case FieldId::content_length:
      return framing_fields_.take_content_length(field.value_view());
    case FieldId::transfer_encoding:
      return framing_fields_.take_transfer_encoding(field.value_view());
    case FieldId::upgrade:
      framing_fields_.take_upgrade(field.value_view());
      return nullptr;
    default:
      return nullptr;  // of one connection only, or without meaning in a response
  }
}

// RFC 6455 section 4.1. What a WebSocket does not say in this way is none, and nothing may be tunnelled (S20).
const char* ResponseParser::why_no_switch() const {
  if (is_http10_) return "switch of protocols in HTTP/1.0";
  if (framing_fields_.upgrade() != FramingFields::Upgrade::websocket) return "switch to a protocol other than websocket";
  if (!framing_fields_.has_upgrade_option()) return "switch of protocols without `Connection: upgrade`";
  if (framing_fields_.has_content_length() || framing_fields_.transfer_coding() != TransferCoding::none)
    return "switch of protocols with a body";
  if (!websocket::is_accepted(head_.fields, websocket_accept_)) return "Sec-WebSocket-Accept does not fit the key";
  return nullptr;
}

ResponseParser::Check ResponseParser::finish() {
  if (head_.status == 101) {
    if (const char* const why = why_no_switch()) return malformed(why);
  }
  if (framing_fields_.transfer_coding() != TransferCoding::none) {
    if (framing_fields_.has_content_length()) return malformed("both Content-Length and Transfer-Encoding");
    if (is_http10_) return malformed("Transfer-Encoding in HTTP/1.0");
    if (framing_fields_.transfer_coding() == TransferCoding::unsupported) {
      return Error{Code::unsupported, Side::upstream, false, "transfer coding other than chunked"};
    }
  }
  settle_framing();
  // Protected fields that Connection names stay: some servers name Transfer-Encoding there, and mean no harm.
  framing_fields_.remove_named(head_.fields);
  keep_alive_ = framing_ != Framing::until_close && !framing_fields_.has_close() &&
                (!is_http10_ || framing_fields_.has_keep_alive());
  stage_ = Stage::complete;
  return accepted;
}

// RFC 9112 section 6.3.
void ResponseParser::settle_framing() {
  if (head_.status == 101) {
    framing_ = Framing::until_close;
    head_.body.bytes = BodySize::unknown;
    return;
  }
  const bool is_bodiless = head_.status < 200 || head_.status == 204;
  if (is_bodiless) return;
  if (is_answer_to_head_ || head_.status == 304) {
    head_.announced_length = framing_fields_.content_length();
  } else if (framing_fields_.transfer_coding() == TransferCoding::chunked) {
    framing_ = Framing::chunked;
    head_.body.bytes = BodySize::unknown;
  } else if (framing_fields_.has_content_length()) {
    head_.body.bytes = framing_fields_.content_length();
    framing_ = head_.body.is_empty() ? Framing::none : Framing::length;
  } else {
    framing_ = Framing::until_close;
    head_.body.bytes = BodySize::unknown;
  }
}

}  // namespace sluice::http::h1
