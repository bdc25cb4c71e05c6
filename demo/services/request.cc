#include "request.h"

#include <algorithm>
#include <charconv>

namespace demo {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The whole text as a number in `base`, or nothing.
std::optional<std::uint64_t> number(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Takes the bytes up to the next `mark`, which must come within `limit` bytes.
ReadResult take_until(Connection& connection, std::string_view mark, std::size_t limit, std::string& out) {
  for (;;) {
    const auto place = connection.pending().find(mark);
    if (place != std::string_view::npos) {
      out.assign(connection.pending().substr(0, place));
      connection.consume(place + mark.size());
      return ReadResult::complete;
    }
    if (connection.pending().size() > limit) return ReadResult::malformed;
    if (!connection.receive()) return ReadResult::closed;
  }
}

ReadResult take_body_bytes(Connection& connection, std::uint64_t count, Request& request) {
  while (count > 0) {
    if (connection.pending().empty() && !connection.receive()) return ReadResult::closed;
    const auto part = connection.pending().substr(
        0, static_cast<std::size_t>(std::min<std::uint64_t>(count, connection.pending().size())));
    request.body.append(part.substr(0, kept_body_bytes - request.body.size()));
    request.body_bytes += part.size();
    count -= part.size();
    connection.consume(part.size());
  }
  return ReadResult::complete;
}

ReadResult take_chunks(Connection& connection, Request& request) {
  std::string line;
  for (;;) {
    if (auto r = take_until(connection, "\r\n", 1024, line); r != ReadResult::complete) return r;
    const auto size = number(std::string_view(line).substr(0, line.find(';')), 16);
    if (!size) return ReadResult::malformed;
    if (*size == 0) break;
    if (auto r = take_body_bytes(connection, *size, request); r != ReadResult::complete) return r;
    if (auto r = take_until(connection, "\r\n", 2, line); r != ReadResult::complete) return r;
    if (!line.empty()) return ReadResult::malformed;
  }
  do {  // trailers, not kept
    if (auto r = take_until(connection, "\r\n", head_limit_bytes, line); r != ReadResult::complete) return r;
  } while (!line.empty());
  return ReadResult::complete;
}

bool parse_request_line(std::string_view line, Request& request) {
  const auto first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return false;
  const auto version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return false;
  request.keep_alive = version == "HTTP/1.1";
  request.method = line.substr(0, first);
  const auto target = line.substr(first + 1, last - first - 1);
  const auto question = std::min(target.find('?'), target.size());
  request.path = target.substr(0, question);
  request.query = target.substr(std::min(question + 1, target.size()));
  return true;
}

bool parse_head(std::string_view head, Request& request) {
  const auto line_end = std::min(head.find("\r\n"), head.size());
  if (!parse_request_line(head.substr(0, line_end), request)) return false;
  head.remove_prefix(std::min(line_end + 2, head.size()));
  while (!head.empty()) {
    const auto end = std::min(head.find("\r\n"), head.size());
    const auto line = head.substr(0, end);
    const auto colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos) return false;
    request.headers.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
    head.remove_prefix(std::min(end + 2, head.size()));
  }
  return true;
}

}  // namespace

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (lower(key) == name) return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> Request::parameter(std::string_view name) const {
  for (std::string_view rest = query; !rest.empty();) {
    const auto end = std::min(rest.find('&'), rest.size());
    const auto pair = rest.substr(0, end);
    const auto equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == name) return pair.substr(std::min(equals + 1, pair.size()));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return std::nullopt;
}

ReadResult read_request(Connection& connection, Request& request) {
  std::string head;
  if (auto r = take_until(connection, "\r\n\r\n", head_limit_bytes, head); r != ReadResult::complete) return r;
  if (!parse_head(head, request)) return ReadResult::malformed;
  if (lower(request.header("connection").value_or("")) == "close") request.keep_alive = false;

  const auto coding = request.header("transfer-encoding");
  const auto length = request.header("content-length");
  if (coding && length) return ReadResult::malformed;
  if (lower(request.header("expect").value_or("")) == "100-continue" && (coding || length)) {
    if (!connection.send("HTTP/1.1 100 Continue\r\n\r\n")) return ReadResult::closed;
  }
  if (coding) return lower(*coding) == "chunked" ? take_chunks(connection, request) : ReadResult::malformed;
  if (!length) return ReadResult::complete;
  const auto count = number(*length, 10);
  return count ? take_body_bytes(connection, *count, request) : ReadResult::malformed;
}

}  // namespace demo
