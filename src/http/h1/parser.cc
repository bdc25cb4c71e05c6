#include "http/h1/parser.h"

#include <algorithm>

#include "http/canonical.h"
#include "http/causes.h"
#include "http/characters.h"
#include "http/scan.h"
#include "http/websocket/handshake.h"

namespace sluice::http::h1 {
namespace {

constexpr std::uint32_t most_empty_lines = 2;
constexpr std::size_t most_method_bytes = 32;
constexpr std::size_t usual_fields = 24;

constexpr Refusal accepted{nullptr, ""};
constexpr Refusal malformed(const char* detail) { return {&request_malformed, detail}; }
constexpr Refusal target_refused(const char* detail) { return {&request_target_refused, detail}; }

// `HTTP/` digit `.` digit, RFC 9112 section 2.3.
bool is_version(std::string_view text) {
  return text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' && is_digit(text[7]);
}

// The size of `http://` or `https://` in front, any case; else 0.
std::size_t scheme_size(std::string_view target) {
  if (target.size() >= 7 && equals_lower(target.substr(0, 7), "http://")) return 7;
  return target.size() >= 8 && equals_lower(target.substr(0, 8), "https://") ? 8 : 0;
}

}  // namespace

void RequestParser::start(Arena& arena) {
  arena_ = &arena;
  text_.start(arena);
  framing_fields_.clear();
  request_ = Request();
  target_ = {};
  empty_lines_ = field_count_ = 0;
  stage_ = Stage::start_line;
  framing_ = Framing::none;
  keep_alive_ = has_request_line_ = is_absolute_ = has_host_ = has_expect_ = is_expectation_known_ = has_te_trailers_ =
      false;
}

std::expected<Progress, Refusal> RequestParser::feed(std::string_view input) {
  std::size_t taken = 0;
  while (taken < input.size()) {
    taken += text_.append(input.substr(taken));
    if (const Check check = advance(); check.cause != nullptr) return std::unexpected(check);
    if (stage_ == Stage::complete) return Progress{true, taken - text_.unread().size()};
  }
  return Progress{false, taken};
}

bool RequestParser::has_begun() const {
  if (has_request_line_) return true;
  const std::string_view unread = text_.unread();
  return !unread.empty() && unread != "\r";
}

// While the request line is not there, what there is of it.
std::string_view RequestParser::method_seen() const {
  if (has_request_line_) return request_.method_name;
  const std::string_view unread = text_.unread();
  return unread.substr(0, unread.find_first_of(" \r\n"));
}

std::string_view RequestParser::target_seen() const {
  if (has_request_line_) return target_;
  const std::string_view unread = text_.unread();
  const std::size_t space = unread.find_first_of(" \r\n");
  if (space == std::string_view::npos || unread[space] != ' ') return {};
  const std::string_view rest = unread.substr(space + 1);
  return rest.substr(0, rest.find_first_of(" \r\n"));
}

RequestParser::Check RequestParser::advance() {
  if (stage_ == Stage::start_line) {
    if (const Check check = read_request_line(); check.cause != nullptr || stage_ == Stage::start_line) return check;
  }
  return read_fields();
}

RequestParser::Check RequestParser::read_request_line() {
  while (true) {
    std::string_view line;
    switch (text_.next_line({limits_.start_line_bytes, limits_.head_bytes}, line)) {
      case HeadText::Found::incomplete:
      case HeadText::Found::end:
        return accepted;
      case HeadText::Found::too_large:
        return {&request_uri_too_long, text_.detail()};
      case HeadText::Found::malformed:
        return malformed(text_.detail());
      case HeadText::Found::line:
        break;
    }
    if (!line.empty()) return take_request_line(line);
    if (++empty_lines_ > most_empty_lines) return malformed("empty lines before the request line");
  }
}

RequestParser::Check RequestParser::take_request_line(std::string_view line) {
  has_request_line_ = true;
  const std::size_t method_size = scanner().token(line.data(), line.size());
  request_.method_name = line.substr(0, method_size);
  if (method_size == line.size()) return malformed("request line without a target");
  if (line[method_size] != ' ') {
    request_.method_name = line.substr(0, line.find(' '));
    return malformed("character not allowed in a method");
  }
  if (method_size == 0 || method_size > most_method_bytes) return malformed("method is empty or too long");
  const std::string_view rest = line.substr(method_size + 1);
  const std::size_t target_size = scanner().target(rest.data(), rest.size());
  target_ = rest.substr(0, target_size);
  if (target_size == rest.size()) return malformed("request line without a version");
  if (rest[target_size] == '#') return target_refused("fragment in the request target");
  if (rest[target_size] != ' ') return malformed("character not allowed in a request target");
  if (target_size == 0) return malformed("more than one space in the request line");

  const std::string_view version = rest.substr(target_size + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    if (!is_version(version)) return malformed("request line does not end in a version");
    return {&request_version_unsupported, "version is not 1.0 or 1.1"};
  }
  request_.is_http10 = version.back() == '0';
  request_.method = method_of(request_.method_name);
  if (request_.method == Method::connect) return {&request_method_unsupported, "CONNECT"};
  stage_ = Stage::fields;
  request_.fields.reserve(*arena_, std::min<std::size_t>(usual_fields, limits_.fields));
  return take_target();
}

RequestParser::Check RequestParser::take_target() {
  if (target_.front() == '/') return take_path_and_query(target_);
  if (target_ == "*") {
    if (request_.method != Method::options) return target_refused("`*` is a target for OPTIONS only");
    request_.path = target_;
    return accepted;
  }
  const std::size_t scheme = scheme_size(target_);
  if (scheme == 0) return target_refused("request target is neither a path nor an http URI");
  return take_absolute_target(target_.substr(scheme));
}

// RFC 9112 section 3.2.2. The authority in the target wins over Host.
RequestParser::Check RequestParser::take_absolute_target(std::string_view target) {
  const std::size_t end = std::min(target.find_first_of("/?"), target.size());
  const auto authority = canonicalise_authority(target.substr(0, end), *arena_);
  if (!authority) return authority.error();
  is_absolute_ = true;
  request_.authority = authority->authority;
  request_.host = authority->host;
  request_.port = authority->port;
  const std::string_view rest = target.substr(end);
  if (rest.starts_with('/')) return take_path_and_query(rest);
  if (rest.empty() && request_.method == Method::options) {  // RFC 9112 section 3.2.4
    request_.path = "*";
    return accepted;
  }
  static constexpr char slack[slack_bytes] = {};
  const std::string_view text = arena_->join("/", rest, std::string_view(slack, slack_bytes));
  return take_path_and_query(text.substr(0, rest.size() + 1));
}

// `text` stands in text_: the scanner's slack is behind it.
RequestParser::Check RequestParser::take_path_and_query(std::string_view text) {
  const std::size_t mark = text.find('?');
  if (mark != std::string_view::npos) {
    request_.has_query = true;
    request_.query = text.substr(mark + 1);
  }
  const auto path = canonicalise_path_in_place(text.substr(0, mark), *arena_);
  if (!path) return path.error();
  request_.path = path->path;
  request_.segments = path->segments;
  request_.has_encoded_slash = path->has_encoded_slash;
  return accepted;
}

RequestParser::Check RequestParser::read_fields() {
  const TextLimits limits{limits_.field_line_bytes, limits_.head_bytes};
  FieldText field;
  while (true) {
    switch (text_.next_field(limits, field)) {
      case HeadText::Found::incomplete:
        return accepted;
      case HeadText::Found::too_large:
        return {&request_header_too_large, text_.detail()};
      case HeadText::Found::malformed:
        return malformed(text_.detail());
      case HeadText::Found::end:
        return finish();
      case HeadText::Found::line:
        break;
    }
    // Many servers take `_` for `-`: two names for one field (S14).
    if (field.has_underscore) return malformed("underscore in a field name");
    if (++field_count_ > limits_.fields) return {&request_header_too_large, "too many fields"};
    const FieldId id = field_id(field.name_view());
    if (!is_framing_field(id)) {
      request_.fields.add(*arena_, {field.name_view(), field.value_view(), id});
    } else if (const Check check = take_framing_field(id, field); check.cause != nullptr) {
      return check;
    }
  }
}

RequestParser::Check RequestParser::take_framing_field(FieldId id, const FieldText& field) {
  const char* detail = nullptr;
  switch (id) {
    case FieldId::host:
      return take_host(field.value_view());
    case FieldId::expect:
      return take_expect(field.value_view());
    case FieldId::connection:
      detail = framing_fields_.take_connection(field.value, field.value_size);
      break;
    case FieldId::content_length:
      detail = framing_fields_.take_content_length(field.value_view());
      break;
    case FieldId::transfer_encoding:
      detail = framing_fields_.take_transfer_encoding(field.value_view());
      break;
    case FieldId::te:
      has_te_trailers_ |= equals_lower(field.value_view(), "trailers");
      break;
    case FieldId::upgrade:
      framing_fields_.take_upgrade(field.value_view());
      break;
    default:
      break;  // Keep-Alive, Proxy-Connection, Trailer: never passed on, and nothing follows from them
  }
  return detail == nullptr ? accepted : malformed(detail);
}

RequestParser::Check RequestParser::take_host(std::string_view value) {
  if (has_host_) return malformed("more than one Host");
  has_host_ = true;
  const auto authority = canonicalise_authority(value, *arena_);
  if (!authority) return authority.error();
  if (is_absolute_) return accepted;
  request_.authority = authority->authority;
  request_.host = authority->host;
  request_.port = authority->port;
  return accepted;
}

RequestParser::Check RequestParser::take_expect(std::string_view value) {
  if (has_expect_) return malformed("more than one Expect");
  has_expect_ = true;
  is_expectation_known_ = equals_lower(value, "100-continue");
  return accepted;
}

RequestParser::Check RequestParser::finish() {
  if (!has_host_ && !request_.is_http10) return malformed("no Host");
  if (framing_fields_.names_protected_field()) return malformed("Connection names a protected field");
  if (const Check check = settle_framing(); check.cause != nullptr) return check;
  if (framing_fields_.upgrade() != FramingFields::Upgrade::none) {
    if (const Check check = take_upgrade(); check.cause != nullptr) return check;
  }
  if (has_expect_ && !is_expectation_known_) return {&request_expectation_failed, "expectation is not 100-continue"};
  // RFC 9110 section 10.1.4: TE counts for this connection only when Connection names it.
  request_.wants_trailers = has_te_trailers_ && !request_.is_http10 && framing_fields_.names("te");
  framing_fields_.remove_named(request_.fields);
  keep_alive_ = !framing_fields_.has_close() && (!request_.is_http10 || framing_fields_.has_keep_alive());
  // RFC 9110 section 10.1.1: ignored in 1.0, and without content there is nothing to wait for.
  request_.expects_continue = has_expect_ && !request_.is_http10 && framing_ != Framing::none;
  stage_ = Stage::complete;
  return accepted;
}

// An Upgrade is left out, as if it had not been sent (RFC 9110 section 7.8), but for one: a WebSocket's handshake. That
// one must be right, since a tunnel would come of it (S20 - S22; RFC 6455 section 4.2.1).
RequestParser::Check RequestParser::take_upgrade() {
  using Upgrade = FramingFields::Upgrade;
  request_.fields.remove("http2-settings");  // of an upgrade to HTTP/2, RFC 7540 section 3.2.1
  if (framing_fields_.upgrade() == Upgrade::other) return accepted;
  const auto refused = [](const char* detail) { return Refusal{&websocket_handshake_malformed, detail}; };
  if (framing_fields_.upgrade() == Upgrade::websocket_among_others)
    return refused("Upgrade names more than `websocket`");
  if (request_.is_http10) return refused("WebSocket in HTTP/1.0");
  if (!framing_fields_.has_upgrade_option()) return refused("Upgrade without `Connection: upgrade`");
  if (request_.method != Method::get) return refused("a WebSocket begins with GET");
  if (framing_ != Framing::none) return refused("WebSocket handshake with a body");
  if (const Refusal wrong = websocket::check_request(request_.fields); wrong.cause != nullptr) return wrong;
  request_.asks_websocket = true;
  return accepted;
}

// RFC 9112 section 6.3; where it lets us choose, we refuse.
RequestParser::Check RequestParser::settle_framing() {
  if (framing_fields_.transfer_coding() != TransferCoding::none) {
    if (framing_fields_.has_content_length()) return malformed("both Content-Length and Transfer-Encoding");
    if (request_.is_http10) return malformed("Transfer-Encoding in HTTP/1.0");
    if (framing_fields_.transfer_coding() == TransferCoding::unsupported) {
      return {&request_coding_unsupported, "transfer coding other than chunked"};
    }
    framing_ = Framing::chunked;
    request_.body.bytes = BodySize::unknown;
  } else if (framing_fields_.has_content_length()) {
    request_.body.bytes = framing_fields_.content_length();
    framing_ = request_.body.is_empty() ? Framing::none : Framing::length;
  }
  return accepted;
}

}  // namespace sluice::http::h1
