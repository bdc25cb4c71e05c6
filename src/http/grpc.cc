#include "http/grpc.h"

#include <algorithm>

#include "http/characters.h"

namespace sluice::http::grpc {
namespace {

constexpr std::string_view status_texts[status_count] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                                         "9", "10", "11", "12", "13", "14", "15", "16"};
constexpr std::size_t most_timeout_digits = 8;

// Zero for what is no unit.
Duration unit_of(char unit) {
  switch (unit) {
    case 'H':
      return std::chrono::hours(1);
    case 'M':
      return std::chrono::minutes(1);
    case 'S':
      return std::chrono::seconds(1);
    case 'm':
      return std::chrono::milliseconds(1);
    case 'u':
      return std::chrono::microseconds(1);
    case 'n':
      return std::chrono::nanoseconds(1);
    default:
      return Duration::zero();
  }
}

}  // namespace

bool is_grpc(const FieldList& fields) {
  const Field* const field = fields.find(FieldId::content_type);
  if (field == nullptr || field->value.size() < content_type.size() ||
      !equals_lower(field->value.substr(0, content_type.size()), content_type))
    return false;
  return field->value.size() == content_type.size() || field->value[content_type.size()] == '+' ||
         field->value[content_type.size()] == ';';
}

Duration timeout_of(const FieldList& fields) {
  const Field* const field = fields.find("grpc-timeout");
  if (field == nullptr || field->value.size() < 2 || field->value.size() > most_timeout_digits + 1)
    return Duration::zero();
  std::int64_t number = 0;
  for (const char c : field->value.substr(0, field->value.size() - 1)) {
    if (!is_digit(c)) return Duration::zero();
    number = number * 10 + (c - '0');
  }
  const Duration unit = unit_of(field->value.back());
  constexpr Duration most = std::chrono::hours(24 * 365);
  if (unit == Duration::zero()) return unit;
  return number > most / unit ? most : std::max<Duration>(number * unit, Duration(1));
}

std::uint8_t status_of(const FieldList& fields) {
  const Field* const field = fields.find("grpc-status");
  if (field == nullptr) return unknown;
  for (std::size_t status = 0; status < status_count; ++status)
    if (field->value == status_texts[status]) return static_cast<std::uint8_t>(status);
  return unknown;
}

std::uint8_t status_of(const Cause& cause) {
  if (cause.status == 499) return cancelled;
  switch (cause.status) {
    case 400:
      return internal;
    case 401:
      return unauthenticated;
    case 403:
      return permission_denied;
    case 404:
      return unimplemented;
    case 413:
    case 414:
    case 431:
      return resource_exhausted;
    case 408:
    case 504:
      return deadline_exceeded;
    case 429:
    case 502:
    case 503:
      return unavailable;
    default:
      return cause.status >= 500 ? internal : unknown;
  }
}

ResponseHead fault_head(const Cause& cause, Arena& arena) {
  ResponseHead head;
  head.fields.add(arena, "content-type", content_type);
  head.fields.add(arena, "grpc-status", status_texts[status_of(cause)]);
  // Codes and titles are plain ASCII without `%`: nothing needs escaping.
  head.fields.add(arena, "grpc-message", arena.join(cause.code, ": ", cause.title));
  return head;
}

}  // namespace sluice::http::grpc
