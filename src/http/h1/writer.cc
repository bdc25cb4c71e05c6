#include "http/h1/writer.h"

#include <charconv>
#include <cstring>

#include "http/scan.h"

namespace sluice::http::h1 {
namespace {

constexpr std::size_t separator_bytes = 4;     // ": " and CRLF
constexpr std::size_t fixed_head_bytes = 256;  // start line's fixed parts, generated fields, the empty line, slack
constexpr std::size_t most_number_bytes = 20;

// Writes lines one behind the other and remembers how many there are: a clean head holds two controls for each.
class HeadWriter {
 public:
  explicit HeadWriter(char* out) : out_(out), at_(out) {}

  void put(std::string_view text) {
    if (text.empty()) return;  // its data() may be null
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void put_number(std::int64_t number) { at_ = std::to_chars(at_, at_ + most_number_bytes, number).ptr; }
  void end_line() {
    put("\r\n");
    ++lines_;
  }
  void field(std::string_view name, std::string_view value) {
    put(name);
    put(": ");
    put(value);
    end_line();
  }
  void number_field(std::string_view name, std::int64_t number) {
    put(name);
    put(": ");
    put_number(number);
    end_line();
  }
  void fields(const FieldList& list) {
    const char* const begin = at_;
    for (const Field& each : list)
      if (!is_framing_field(each.id)) field(each.name, each.value);
    check_names(list, begin);
  }
  // What stands from `begin` on must be one word of the start line.
  void check_token(const char* begin) {
    const auto size = static_cast<std::size_t>(at_ - begin);
    is_clean_ &= size > 0 && scanner().token(begin, size) == size;
  }
  void check_target(const char* begin) {
    const auto size = static_cast<std::size_t>(at_ - begin);
    is_clean_ &= size > 0 && scanner().target(begin, size) == size;
  }
  const char* at() const { return at_; }

  // Ends the head. Returns its size, 0 when it is not clean.
  std::size_t finish() {
    end_line();
    const auto size = static_cast<std::size_t>(at_ - out_);
    const bool has_no_other_control = scanner().controls(out_, size) == 2 * lines_;
    return is_clean_ && has_no_other_control ? size : 0;
  }

 private:
  // A pass of its own: to read a name right behind its copying would stall the processor.
  void check_names(const FieldList& list, const char* at) {
    const Scanner& scan = scanner();
    for (const Field& each : list) {
      if (is_framing_field(each.id)) continue;
      const std::size_t size = each.name.size();
      is_clean_ &= size > 0 && scan.token(at, size) == size;
      at += size + each.value.size() + separator_bytes;
    }
  }

  char* const out_;
  char* at_;
  std::size_t lines_ = 0;
  bool is_clean_ = true;
};

std::size_t list_bytes(const FieldList& fields) {
  std::size_t size = 0;
  for (const Field& field : fields) size += field.name.size() + field.value.size() + separator_bytes;
  return size;
}

// Methods whose content has a meaning: a receiver wants to know that there is none (RFC 9110 section 8.6).
bool usually_has_body(std::string_view method) {
  switch (method_of(method)) {
    case Method::post:
    case Method::put:
    case Method::patch:
      return true;
    default:
      return false;
  }
}

void put_status_line(HeadWriter& writer, int status) {
  if (status == 200) {
    writer.put("HTTP/1.1 200 OK");
  } else {
    writer.put("HTTP/1.1 ");
    writer.put_number(status);
    writer.put(" ");
    writer.put(reason_phrase(status));
  }
  writer.end_line();
}

}  // namespace

std::size_t head_bytes(const RequestHead& head) {
  return head.method.size() + head.authority.size() + head.path.size() + head.query.size() + list_bytes(head.fields) +
         fixed_head_bytes;
}

std::size_t head_bytes(const ResponseHead& head) { return list_bytes(head.fields) + fixed_head_bytes; }

std::size_t write_request(const RequestHead& head, bool close, char* out) {
  HeadWriter writer(out);
  writer.put(head.method);
  writer.check_token(out);
  writer.put(" ");
  const char* const target = writer.at();
  writer.put(head.path);
  if (head.has_query) {
    writer.put("?");
    writer.put(head.query);
  }
  writer.check_target(target);
  writer.put(" HTTP/1.1");
  writer.end_line();
  writer.field("host", head.authority);
  writer.fields(head.fields);
  if (head.body.is_unknown()) {
    writer.field("transfer-encoding", "chunked");
  } else if (!head.body.is_empty() || usually_has_body(head.method)) {
    writer.number_field("content-length", head.body.bytes);
  }
  if (head.wants_trailers) writer.field("te", "trailers");
  if (head.asks_websocket) {
    writer.field("upgrade", "websocket");
    writer.field("connection", "upgrade");
  } else if (close) {
    writer.field("connection", head.wants_trailers ? "te, close" : "close");
  } else if (head.wants_trailers) {
    writer.field("connection", "te");  // RFC 9110 section 10.1.4
  }
  return writer.finish();
}

std::size_t write_response(const ResponseHead& head, Framing framing, bool keep_alive, bool to_http10_keep_alive,
                           char* out) {
  if (head.status < 100 || head.status > 999) return 0;
  HeadWriter writer(out);
  put_status_line(writer, head.status);
  writer.fields(head.fields);
  const bool may_announce = head.status >= 200 && head.status != 204;  // RFC 9110 section 8.6
  if (framing == Framing::length) {
    writer.number_field("content-length", head.body.bytes);
  } else if (framing == Framing::chunked) {
    writer.field("transfer-encoding", "chunked");
  } else if (framing == Framing::none && may_announce && head.announced_length != BodySize::unknown) {
    writer.number_field("content-length", head.announced_length);
  }
  // 101 switches to it; 426 must say to what it would (RFC 9110 section 15.5.22), and there is but one choice.
  const bool names_upgrade = head.status == 101 || head.status == 426;
  if (names_upgrade) {
    writer.field("upgrade", "websocket");
    writer.field("connection", keep_alive ? "upgrade" : "close, upgrade");
  } else if (!keep_alive) {
    writer.field("connection", "close");
  } else if (to_http10_keep_alive) {
    writer.field("connection", "keep-alive");
  }
  return writer.finish();
}

std::size_t write_chunk_head(std::size_t bytes, char* out) {
  char* const end = std::to_chars(out, out + 16, bytes, 16).ptr;
  end[0] = '\r';
  end[1] = '\n';
  return static_cast<std::size_t>(end + 2 - out);
}

}  // namespace sluice::http::h1
