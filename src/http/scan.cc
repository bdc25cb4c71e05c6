#include "http/scan.h"

#include "http/characters.h"

namespace sluice::http {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::size_t field_line(char* line, std::size_t size, FieldSpan& span) {
  std::size_t at = 0;
  span.has_underscore = false;
  for (; at < size && token_characters.contains(line[at]); ++at) {
    span.has_underscore |= line[at] == '_';
    line[at] = to_lower(line[at]);
  }
  if (at == 0 || at == size || line[at] != ':') return 0;
  span.name_size = at++;
  while (at < size && is_space(line[at])) ++at;
  span.value_begin = at;
  while (at < size && !is_control(line[at])) ++at;
  if (at + 2 > size || line[at] != '\r' || line[at + 1] != '\n') return 0;
  span.value_end = at;
  while (span.value_end > span.value_begin && is_space(line[span.value_end - 1])) --span.value_end;
  return at + 2;
}

std::size_t plain_path(const char* path, std::size_t size, std::string_view* segments, std::size_t capacity) {
  std::size_t count = 0, begin = 1;
  for (std::size_t at = 1; at <= size; ++at) {
    if (at < size) {
      if (!plain_path_characters.contains(path[at])) return 0;
      if (path[at - 1] == '/' && (path[at] == '/' || path[at] == '.')) return 0;
      if (path[at] != '/') continue;
    }
    if (count == capacity) return 0;
    segments[count++] = {path + begin, at - begin};
    begin = at + 1;
  }
  return count;
}

std::size_t members(const CharacterSet& set, const char* text, std::size_t size) {
  std::size_t at = 0;
  while (at < size && set.contains(text[at])) ++at;
  return at;
}

std::size_t target(const char* text, std::size_t size) { return members(target_characters, text, size); }
std::size_t token(const char* text, std::size_t size) { return members(token_characters, text, size); }

std::size_t controls(const char* text, std::size_t size) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < size; ++at) count += is_control(text[at]) ? 1 : 0;
  return count;
}

// The versions this machine can run, worst first.
struct Available {
  const Scanner* all[3] = {&scalar_scanner};
  std::size_t count = 1;
  Available() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("sse4.2")) all[count++] = &sse42_scanner;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")) all[count++] = &avx2_scanner;
#endif
  }
};

const Available& available() {
  static const Available found;
  return found;
}

}  // namespace

constinit const Scanner scalar_scanner{"scalar", field_line, plain_path, target, token, controls};

std::span<const Scanner* const> scanners() { return {available().all, available().count}; }

// What is asked for before the machine was looked at, by other static initialisers, the slow version answers as well.
namespace {
constinit const Scanner* chosen = &scalar_scanner;
[[maybe_unused]] const Scanner* const best = chosen = scanners().back();
}  // namespace

const Scanner& scanner() { return *chosen; }
void choose_scanner(const Scanner& scan) { chosen = &scan; }

}  // namespace sluice::http
