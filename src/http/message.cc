#include "http/message.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::http {
namespace {

constexpr std::array<std::string_view, 10> method_texts = {"GET",   "HEAD",    "POST",  "PUT",     "DELETE",
                                                           "PATCH", "OPTIONS", "TRACE", "CONNECT", ""};

// By FieldId.
constexpr std::array<std::string_view, 32> field_names = {
    "",
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "content-length",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "date",
    "server",
    "location",
    "content-type",
    "user-agent",
    "referer",
    "accept",
    "accept-encoding",
    "cookie",
    "set-cookie",
    "authorization",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-request-id",
    "via",
    "retry-after",
    "allow",
    "vary",
    "cache-control",
};
static_assert(field_names[static_cast<std::size_t>(FieldId::cache_control)] == "cache-control");

constexpr std::size_t slots = 128;

constexpr std::size_t slot_of(std::string_view name, std::uint32_t multiplier) {
  const auto byte = [name](std::size_t at) { return static_cast<std::uint32_t>(static_cast<unsigned char>(name[at])); };
  const std::uint32_t mark = byte(0) | byte(name.size() - 1) << 8 | byte(name.size() / 2) << 16 |
                             static_cast<std::uint32_t>(name.size()) << 24;
  return (mark * multiplier) >> 25;
}

// A hash without collisions between the known names, found while compiling.
struct NameTable {
  std::uint32_t multiplier = 0x9e3779b1;
  std::array<FieldId, slots> ids{};
};
consteval NameTable make_name_table() {
  for (NameTable table;; table.multiplier += 2) {
    table.ids.fill(FieldId::other);
    bool is_free = true;
    for (std::size_t id = 1; id < field_names.size() && is_free; ++id) {
      FieldId& slot = table.ids[slot_of(field_names[id], table.multiplier)];
      is_free = slot == FieldId::other;
      slot = static_cast<FieldId>(id);
    }
    if (is_free) return table;
  }
}
constexpr NameTable name_table = make_name_table();

template <class Word>
bool same_word(const char* a, const char* b) {
  return std::memcmp(a, b, sizeof(Word)) == 0;  // of a fixed size: one comparison
}

// Of two texts of one size, at least 2. A call of memcmp would cost more than the comparison.
bool same_text(const char* a, const char* b, std::size_t size) {
  if (size < 4) return same_word<std::uint16_t>(a, b) && a[size - 1] == b[size - 1];
  if (size < 8) return same_word<std::uint32_t>(a, b) && same_word<std::uint32_t>(a + size - 4, b + size - 4);
  for (std::size_t at = 0; at + 8 < size; at += 8)
    if (!same_word<std::uint64_t>(a + at, b + at)) return false;
  return same_word<std::uint64_t>(a + size - 8, b + size - 8);
}

char fold(char c) { return c == '_' ? '-' : c; }

bool equals_folded(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return fold(x) == fold(y); });
}

}  // namespace

Method method_of(std::string_view text) {
  if (text == "GET") return Method::get;
  for (std::size_t i = 1; i < method_texts.size() - 1; ++i)
    if (text == method_texts[i]) return static_cast<Method>(i);
  return Method::other;
}

std::string_view method_text(Method method) { return method_texts[static_cast<std::size_t>(method)]; }

bool is_idempotent(Method method) {
  switch (method) {
    case Method::get:
    case Method::head:
    case Method::put:
    case Method::delete_:
    case Method::options:
    case Method::trace:
      return true;
    case Method::post:
    case Method::patch:
    case Method::connect:
    case Method::other:
      return false;
  }
  return false;
}

const char* reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 102:
      return "Processing";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 203:
      return "Non-Authoritative Information";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 207:
      return "Multi-Status";
    case 208:
      return "Already Reported";
    case 226:
      return "IM Used";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 305:
      return "Use Proxy";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 423:
      return "Locked";
    case 424:
      return "Failed Dependency";
    case 425:
      return "Too Early";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 506:
      return "Variant Also Negotiates";
    case 507:
      return "Insufficient Storage";
    case 508:
      return "Loop Detected";
    case 511:
      return "Network Authentication Required";
    default:
      return "";
  }
}

FieldId field_id(std::string_view name) {
  if (name.empty()) return FieldId::other;
  const FieldId id = name_table.ids[slot_of(name, name_table.multiplier)];
  const std::string_view known = field_names[static_cast<std::size_t>(id)];
  return name.size() == known.size() && same_text(name.data(), known.data(), known.size()) ? id : FieldId::other;
}

std::string_view field_name(FieldId id) { return field_names[static_cast<std::size_t>(id)]; }

void FieldList::reserve(Arena& arena, std::size_t count) {
  if (count <= capacity_) return;
  auto* const grown = static_cast<Field*>(arena.allocate(count * sizeof(Field), alignof(Field)));
  if (size_ > 0) std::memcpy(static_cast<void*>(grown), fields_, size_ * sizeof(Field));
  fields_ = grown;
  capacity_ = static_cast<std::uint32_t>(count);
}

void FieldList::grow(Arena& arena) { reserve(arena, std::max<std::size_t>(16, std::size_t{2} * capacity_)); }

void FieldList::set(Arena& arena, std::string_view name, std::string_view value) {
  std::uint32_t kept = 0;
  bool is_set = false;
  for (std::uint32_t i = 0; i < size_; ++i) {
    if (fields_[i].name == name) {
      if (is_set) continue;
      is_set = true;
      fields_[i].value = value;
    }
    fields_[kept++] = fields_[i];
  }
  size_ = kept;
  if (!is_set) add(arena, name, value);
}

std::size_t FieldList::remove(std::string_view name) {
  Field* const last =
      std::remove_if(fields_, fields_ + size_, [name](const Field& field) { return field.name == name; });
  const auto removed = static_cast<std::size_t>(fields_ + size_ - last);
  size_ -= static_cast<std::uint32_t>(removed);
  return removed;
}

std::size_t FieldList::remove_folded(std::string_view name) {
  Field* const last =
      std::remove_if(fields_, fields_ + size_, [name](const Field& field) { return equals_folded(field.name, name); });
  const auto removed = static_cast<std::size_t>(fields_ + size_ - last);
  size_ -= static_cast<std::uint32_t>(removed);
  return removed;
}

const Field* FieldList::find(FieldId id) const {
  for (const Field& field : *this)
    if (field.id == id) return &field;
  return nullptr;
}

const Field* FieldList::find(std::string_view name) const {
  for (const Field& field : *this)
    if (field.name == name) return &field;
  return nullptr;
}

FieldList FieldList::copy(Arena& arena, std::size_t extra) const {
  FieldList list;
  list.reserve(arena, size_ + extra);
  if (size_ > 0) std::memcpy(static_cast<void*>(list.fields_), fields_, size_ * sizeof(Field));
  list.size_ = size_;
  return list;
}

}  // namespace sluice::http
