#include "http/canonical.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "http/causes.h"
#include "http/characters.h"
#include "http/scan.h"

namespace sluice::http {
namespace {

// Browsers send these as they are (WHATWG URL, path percent-encode set), RFC 3986 wants them escaped.
constexpr CharacterSet lenient_characters("[]^|");
constexpr std::size_t most_growth = 3;  // a character becomes an escape

constexpr Refusal refused(const char* detail) { return {&request_target_refused, detail}; }

// Checks that the bytes of escapes in a row are UTF-8: no overlong form, no surrogate, nothing above U+10FFFF
// (RFC 3629 section 4).
class Utf8Check {
 public:
  bool is_whole() const { return left_ == 0; }
  bool take(unsigned char byte) {
    if (left_ > 0) {
      if (byte < low_ || byte > high_) return false;
      low_ = 0x80, high_ = 0xbf;
      --left_;
      return true;
    }
    if (byte < 0x80) return true;
    if (byte < 0xc2 || byte > 0xf4) return false;
    left_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    low_ = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    high_ = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    return true;
  }

 private:
  int left_ = 0;
  unsigned char low_ = 0x80, high_ = 0xbf;
};

char* put_escape(char* to, unsigned char byte) {
  constexpr char digits[] = "0123456789ABCDEF";
  *to++ = '%';
  *to++ = digits[byte >> 4];
  *to++ = digits[byte & 15];
  return to;
}

// Writes `raw` with every character in its one form; dot segments and slashes stay. Returns null, or what is wrong.
const char* normalise_characters(std::string_view raw, char*& to, bool& has_encoded_slash) {
  Utf8Check utf8;
  for (std::size_t at = 0; at < raw.size(); ++at) {
    const char c = raw[at];
    if (c != '%') {
      if (!utf8.is_whole()) return "percent-escapes in the path are not UTF-8";
      if (path_characters.contains(c)) {
        *to++ = c;
      } else if (lenient_characters.contains(c)) {
        to = put_escape(to, static_cast<unsigned char>(c));
      } else {
        return c == '\\' ? "backslash in the path" : "character not allowed in a path";
      }
      continue;
    }
    const int high = at + 2 < raw.size() ? hex_value(raw[at + 1]) : -1;
    const int low = high >= 0 ? hex_value(raw[at + 2]) : -1;
    if (low < 0) return "broken percent-escape in the path";
    at += 2;
    const auto byte = static_cast<unsigned char>(high * 16 + low);
    if (byte < 0x20 || byte == 0x7f) return "encoded control character in the path";
    if (byte == '\\') return "encoded backslash in the path";
    if (!utf8.take(byte)) return "percent-escapes in the path are not UTF-8";
    if (unreserved_characters.contains(static_cast<char>(byte))) {
      *to++ = static_cast<char>(byte);
    } else {
      has_encoded_slash |= byte == '/';
      to = put_escape(to, byte);
    }
  }
  return utf8.is_whole() ? nullptr : "percent-escapes in the path are not UTF-8";
}

// The part of a segment before its parameters: before `;`, encoded or not.
std::string_view without_parameters(std::string_view part) {
  return part.substr(0, std::min(part.find(';'), part.find("%3B")));
}

bool is_dots(std::string_view text) { return text == "." || text == ".."; }

// Other servers would see a dot segment where we see none: behind a `;`, or when they decode %2F.
bool hides_dots(std::string_view segment) {
  while (true) {
    const std::size_t slash = segment.find("%2F");
    if (is_dots(without_parameters(segment.substr(0, slash)))) return true;
    if (slash == std::string_view::npos) return false;
    segment.remove_prefix(slash + 3);
  }
}

// Resolves dot segments and merges slashes, in place: text[0, size) starts with `/`. Returns null and the new size, or
// what is wrong. An empty segment is dropped before `..` is resolved: `/a//..` is `/`.
const char* resolve_segments(char* text, std::size_t& size, std::size_t& segments) {
  char* to = text;  // behind the segments kept so far, each with its slash in front
  segments = 0;
  bool ends_in_slash = false;
  for (std::size_t at = 0; at < size;) {
    const std::size_t begin = at + 1;
    const auto* const slash = static_cast<const char*>(std::memchr(text + begin, '/', size - begin));
    at = slash == nullptr ? size : static_cast<std::size_t>(slash - text);
    const std::string_view segment(text + begin, at - begin);
    ends_in_slash = segment.empty() || is_dots(segment);
    if (segment == "..") {
      if (segments == 0) return "`..` above the root";
      while (*--to != '/') {
      }
      --segments;
    } else if (!ends_in_slash) {
      if (hides_dots(segment)) return "dot segment with a parameter or beside an encoded slash";
      *to++ = '/';
      std::memmove(to, segment.data(), segment.size());
      to += segment.size();
      ++segments;
    }
  }
  if (ends_in_slash) {
    *to++ = '/';
    ++segments;
  }
  size = static_cast<std::size_t>(to - text);
  return nullptr;
}

std::span<const std::string_view> split(std::string_view path, std::size_t count, Arena& arena) {
  const std::span<std::string_view> segments = arena.make_array<std::string_view>(count);
  std::size_t begin = 1;
  for (std::string_view& segment : segments) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    segment = path.substr(begin, end - begin);
    begin = end + 1;
  }
  return segments;
}

std::expected<CanonicalPath, Refusal> canonicalise_slowly(std::string_view raw, Arena& arena) {
  char* const text = arena.allocate_bytes(raw.size() * most_growth);
  char* end = text;
  CanonicalPath result;
  if (const char* detail = normalise_characters(raw, end, result.has_encoded_slash))
    return std::unexpected(refused(detail));
  auto size = static_cast<std::size_t>(end - text);
  std::size_t segments = 0;
  if (const char* detail = resolve_segments(text, size, segments)) return std::unexpected(refused(detail));
  result.path = {text, size};
  result.segments = split(result.path, segments, arena);
  if (result.has_encoded_slash) result.has_encoded_slash = result.path.contains("%2F");  // `..` may have taken it away
  return result;
}

}  // namespace

std::expected<CanonicalPath, Refusal> canonicalise_path_in_place(std::string_view raw, Arena& arena) {
  if (raw.empty() || raw.front() != '/') return std::unexpected(refused("path does not start with a slash"));
  constexpr std::size_t capacity = 32;
  std::string_view found[capacity];
  const std::size_t count = scanner().plain_path(raw.data(), raw.size(), found, capacity);
  if (count == 0) return canonicalise_slowly(raw, arena);
  auto* const segments =
      static_cast<std::string_view*>(arena.allocate(count * sizeof(std::string_view), alignof(std::string_view)));
  std::uninitialized_copy_n(found, count, segments);
  return CanonicalPath{raw, {segments, count}, false};
}

std::expected<CanonicalPath, Refusal> canonicalise_path(std::string_view raw, Arena& arena) {
  char* const text = arena.allocate_bytes(raw.size() + slack_bytes);
  std::ranges::copy(raw, text);
  std::memset(text + raw.size(), 0, slack_bytes);
  return canonicalise_path_in_place({text, raw.size()}, arena);
}

}  // namespace sluice::http
