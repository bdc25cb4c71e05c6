#pragma once
// A second reading of HTTP/1 messages, by llhttp in its strict mode, to compare ours with. Whoever includes this is
// linked to llhttp (cmake/fuzz.cmake). Not used outside fuzz targets: the product has one reading.

#include <llhttp/llhttp.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/characters.h"

namespace sluice::http::h1::second_parser {

using Fields = std::vector<std::pair<std::string, std::string>>;  // names in lower case

struct Message {
  std::string error;  // why it was refused; "" when it was not
  bool is_head_complete = false;
  bool is_complete = false;
  std::size_t consumed = 0;  // bytes up to the message's end, once complete
  std::string method;
  std::string target;
  int status = 0;
  Fields fields;
  Fields trailers;
  std::string body;
  bool is_chunked = false;
  bool has_content_length = false;
  std::uint64_t content_length = 0;
  bool is_keep_alive = false;
};

// The methods it knows; it refuses all others.
inline bool knows_method(std::string_view name) {
#define SLUICE_KNOWN(number, id, text) \
  if (name == #text) return name != "PRI" && name != "SOURCE";
  HTTP_METHOD_MAP(SLUICE_KNOWN)
#undef SLUICE_KNOWN
  return false;
}

class Reader {
 public:
  // `is_bodiless`: an answer to HEAD.
  static Message read(std::string_view bytes, llhttp_type type, bool is_bodiless) {
    Reader reader(is_bodiless);
    llhttp_init(&reader.parser_, type, &settings());
    reader.parser_.data = &reader;
    const llhttp_errno_t error = llhttp_execute(&reader.parser_, bytes.data(), bytes.size());
    Message& message = reader.message_;
    if (error == HPE_PAUSED || error == HPE_PAUSED_UPGRADE) {  // at the end of the message: see on_message_complete
      message.consumed = static_cast<std::size_t>(llhttp_get_error_pos(&reader.parser_) - bytes.data());
    } else if (error != HPE_OK) {
      message.error = std::string(llhttp_errno_name(error)) + ": " + llhttp_get_error_reason(&reader.parser_);
    }
    return std::move(message);
  }

 private:
  explicit Reader(bool is_bodiless) : is_bodiless_(is_bodiless) {}

  static Reader& of(llhttp_t* parser) { return *static_cast<Reader*>(parser->data); }
  template <std::string Message::* text>
  static int append(llhttp_t* parser, const char* at, std::size_t size) {
    (of(parser).message_.*text).append(at, size);
    return 0;
  }
  static int on_name(llhttp_t* parser, const char* at, std::size_t size) {
    for (const char c : std::string_view(at, size)) of(parser).name_ += to_lower(c);
    return 0;
  }
  static int on_value(llhttp_t* parser, const char* at, std::size_t size) {
    of(parser).value_.append(at, size);
    return 0;
  }
  static int on_field_complete(llhttp_t* parser) {
    Reader& reader = of(parser);
    Fields& fields = reader.message_.is_head_complete ? reader.message_.trailers : reader.message_.fields;
    fields.emplace_back(std::exchange(reader.name_, {}), std::exchange(reader.value_, {}));
    return 0;
  }
  static int on_head_complete(llhttp_t* parser) {
    Reader& reader = of(parser);
    Message& message = reader.message_;
    message.is_head_complete = true;
    message.status = parser->status_code;
    message.is_chunked = (parser->flags & F_CHUNKED) != 0;
    message.has_content_length = (parser->flags & F_CONTENT_LENGTH) != 0;
    message.content_length = parser->content_length;
    // It would wait for the body whose length a 304 only tells (RFC 9110 section 8.6).
    return reader.is_bodiless_ || message.status == 304 ? 1 : 0;
  }
  static int on_message_complete(llhttp_t* parser) {
    of(parser).message_.is_complete = true;
    of(parser).message_.is_keep_alive = llhttp_should_keep_alive(parser) != 0;
    return HPE_PAUSED;
  }
  static const llhttp_settings_t& settings() {
    static const llhttp_settings_t made = [] {
      llhttp_settings_t all;
      llhttp_settings_init(&all);
      all.on_method = append<&Message::method>;
      all.on_url = append<&Message::target>;
      all.on_body = append<&Message::body>;
      all.on_header_field = on_name;
      all.on_header_value = on_value;
      all.on_header_value_complete = on_field_complete;
      all.on_headers_complete = on_head_complete;
      all.on_message_complete = on_message_complete;
      return all;
    }();
    return made;
  }

  llhttp_t parser_;
  Message message_;
  std::string name_, value_;
  const bool is_bodiless_;
};

inline Message read_request(std::string_view bytes) { return Reader::read(bytes, HTTP_REQUEST, false); }
inline Message read_response(std::string_view bytes, bool is_answer_to_head) {
  return Reader::read(bytes, HTTP_RESPONSE, is_answer_to_head);
}

}  // namespace sluice::http::h1::second_parser
