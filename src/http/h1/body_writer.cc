#include "http/h1/body_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "http/h1/writer.h"

namespace sluice::http::h1 {
namespace {

constexpr std::size_t chunk_head_bytes = 18;

bool is_token(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

bool is_field_value(std::string_view value) {
  return std::ranges::all_of(value, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
  });
}

char* put(char* at, std::string_view text) {
  if (!text.empty()) std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

}  // namespace

void BodyWriter::start(Framing framing, std::int64_t length) {
  framing_ = framing;
  remaining_ = framing == Framing::length ? length : 0;
  wire_bytes_ = 0;
}

// How many of `bytes` may be written.
std::size_t BodyWriter::admit(std::size_t bytes) {
  if (framing_ == Framing::none) return 0;
  if (framing_ != Framing::length) return bytes;
  const auto admitted =
      static_cast<std::size_t>(std::min(static_cast<std::uint64_t>(remaining_), std::uint64_t{bytes}));
  remaining_ -= static_cast<std::int64_t>(admitted);
  return admitted;
}

void BodyWriter::write_chunk_head(net::Stream& stream, std::size_t bytes) {
  const std::size_t size = h1::write_chunk_head(bytes, stream.room(chunk_head_bytes));
  stream.wrote(size);
  wire_bytes_ += size + 2;  // and the CRLF behind the data
}

bool BodyWriter::write(net::Stream& stream, net::Buffer bytes) {
  const std::size_t admitted = admit(bytes.size());
  const bool is_whole = admitted == bytes.size();
  if (admitted == 0) return is_whole;
  wire_bytes_ += admitted;
  bytes.truncate(admitted);
  if (framing_ != Framing::chunked) {
    stream.write(std::move(bytes));
    return is_whole;
  }
  write_chunk_head(stream, admitted);
  if (bytes.tail_room() >= 2) {  // one piece less to gather
    put(bytes.data() + bytes.size(), "\r\n");
    bytes.extend(2);
    stream.write(std::move(bytes));
  } else {
    stream.write(std::move(bytes));
    stream.write("\r\n");
  }
  return true;
}

bool BodyWriter::write(net::Stream& stream, std::string_view bytes) {
  const std::size_t admitted = admit(bytes.size());
  if (admitted == 0) return bytes.empty();
  wire_bytes_ += admitted;
  if (framing_ == Framing::chunked) write_chunk_head(stream, admitted);
  stream.write(bytes.substr(0, admitted));
  if (framing_ == Framing::chunked) stream.write("\r\n");
  return admitted == bytes.size();
}

bool BodyWriter::end(net::Stream& stream, const FieldList* trailers) {
  if (framing_ == Framing::chunked) return write_last_chunk(stream, trailers);
  return remaining_ == 0;
}

bool BodyWriter::write_last_chunk(net::Stream& stream, const FieldList* trailers) {
  std::size_t size = 5;  // "0\r\n" and the empty line
  if (trailers != nullptr) {
    for (const Field& field : *trailers) {
      if (!is_token(field.name) || !is_field_value(field.value)) return false;
      size += field.name.size() + field.value.size() + 4;
    }
  }
  char* const out = stream.room(size);
  char* at = put(out, "0\r\n");
  if (trailers != nullptr) {
    for (const Field& field : *trailers) at = put(put(put(put(at, field.name), ": "), field.value), "\r\n");
  }
  put(at, "\r\n");
  stream.wrote(size);
  wire_bytes_ += size;
  return true;
}

}  // namespace sluice::http::h1
