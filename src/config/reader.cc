#include "config/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iterator>
#include <limits>

#include "config/field.h"
#include "config/suggest.h"

namespace sluice::config {
namespace {

constexpr std::size_t longest_quote = 60;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

// A key as a step of a path; quoted when it would not read as one.
void append_key(std::string& out, std::string_view key) {
  const bool is_plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return is_lower(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  if (is_plain) {
    if (!out.empty()) out += '.';
    out += key;
  } else {
    ((out += "['") += key.substr(0, longest_quote)) += "']";
  }
}

std::string_view quoted_part(const Node& node) { return node.text().substr(0, longest_quote); }

bool check_range(const Node& node, std::int64_t value, Range range, std::string (*show)(std::int64_t),
                 ReadContext& context) {
  if (value >= range.low && value <= range.high) return true;
  context.wrong_value(node, "out_of_range", "is out of range",
                      fmt::format("{} to {}", show(range.low), show(range.high)));
  return false;
}

bool parse_integer(std::string_view text, std::int64_t& out) {
  int base = 10;
  if (text.starts_with("0x")) base = 16;
  if (text.starts_with("0o")) base = 8;
  if (base != 10) text.remove_prefix(2);
  if (text.starts_with('+')) text.remove_prefix(1);
  return std::from_chars(text.data(), text.data() + text.size(), out, base).ec == std::errc();
}

// Whether an empty value is one too few.
bool check_filled(const Node& node, bool is_empty, ReadContext& context) {
  const FieldInfo* const field = context.field();
  if (!is_empty || field == nullptr || !field->is_non_empty) return true;
  context.empty_value(node, node.is_scalar() ? "some text" : "at least one entry");
  return false;
}

// What to do about a key without a value.
std::string help_for_nothing(const FieldInfo& field) {
  if (!field.is_required) return "leave the key out to have its default";
  return field.example_text == nullptr ? "" : fmt::format("for example {}: {}", field.name, field.example_text);
}

}  // namespace

std::string meaning_of(const FieldInfo& field) {
  std::string_view doc = field.doc;
  if (const std::size_t end = doc.find(". "); end != std::string_view::npos) doc = doc.substr(0, end);
  while (doc.ends_with('.')) doc.remove_suffix(1);
  std::string out(doc);
  const bool is_plain_word = out.size() > 1 && out[0] >= 'A' && out[0] <= 'Z' && (is_lower(out[1]) || out[1] == ' ');
  if (is_plain_word) out[0] = static_cast<char>(out[0] - 'A' + 'a');
  return out;
}

Diagnostic& ReadContext::error(const Node& at, std::string_view code, std::string what) {
  return diagnostics_.error(at.place(), code, path(), std::move(what));
}

Diagnostic& ReadContext::warning(const Node& at, std::string_view code, std::string what) {
  return diagnostics_.warning(at.place(), code, path(), std::move(what));
}

const FieldInfo* ReadContext::field_meant() const {
  for (std::size_t i = scope_.depth; i < steps_.size(); ++i)
    if (!steps_[i].is_index) return nullptr;
  return scope_.field;
}

void ReadContext::finish(Diagnostic& added, std::string_view wanted) const {
  added.want = fmt::format("want {}", wanted);
  const FieldInfo* const field = field_meant();
  if (field == nullptr) return;
  if (const std::string meaning = meaning_of(*field); !meaning.empty()) {
    const bool has_commas = wanted.find(", ") != std::string_view::npos;
    added.want += (has_commas ? ": " : ", ") + meaning;
  }
  if (field->help_text != nullptr) added.help = field->help_text;
}

Diagnostic& ReadContext::wrong_type(const Node& at, std::string_view wanted) {
  auto& added = error(at, "wrong_type", fmt::format("found {}", at.describe()));
  finish(added, wanted);
  const bool is_field = scope_.field != nullptr && scope_.depth == steps_.size();
  if (at.kind() == Kind::null && is_field && added.help.empty()) added.help = help_for_nothing(*scope_.field);
  return added;
}

void ReadContext::empty_value(const Node& at, std::string_view wanted) {
  finish(error(at, "empty_value", "is empty"), wanted);
}

Diagnostic& ReadContext::wrong_value(const Node& at, std::string_view code, std::string_view what,
                                     std::string_view wanted) {
  const std::string_view quote = at.kind() == Kind::text ? "'" : "";
  auto& added = error(at, code, fmt::format("{0}{1}{0} {2}", quote, quoted_part(at), what));
  finish(added, wanted);
  return added;
}

void ReadContext::unknown_key(const Node& key, std::span<const std::string_view> known) {
  auto& added = error(key, "unknown_key", fmt::format("unknown key '{}'", quoted_part(key)));
  added.want = suggestion(key.text(), known, "keys");
}

std::string ReadContext::path() const {
  std::string out;
  for (const Segment& segment : steps_) {
    if (segment.is_index) {
      fmt::format_to(std::back_inserter(out), "[{}]", segment.index);
    } else {
      append_key(out, segment.key);
    }
  }
  return out;
}

ReadContext::Step ReadContext::step(std::string_view key) {
  steps_.push_back({key, 0, false});
  return Step(*this);
}

ReadContext::Step ReadContext::step(std::size_t index) {
  steps_.push_back({{}, index, true});
  return Step(*this);
}

bool read_text(const Node& node, std::string& out, ReadContext& context) {
  if (!node.is_scalar() || node.kind() == Kind::null) return context.wrong_type(node, "text"), false;
  if (!check_filled(node, node.text().empty(), context)) return false;
  out = node.text();
  return true;
}

bool read_bool(const Node& node, bool& out, ReadContext& context) {
  if (node.kind() != Kind::boolean) return context.wrong_type(node, "true or false"), false;
  out = node.text()[0] == 't' || node.text()[0] == 'T';
  return true;
}

bool read_integer(const Node& node, std::int64_t& out, Range type_range, ReadContext& context) {
  if (node.kind() != Kind::integer) return context.wrong_type(node, "a whole number"), false;
  const FieldInfo* const field = context.field();
  const Range range = field != nullptr && field->range ? *field->range : type_range;
  const auto show = [](std::int64_t value) { return fmt::format("{}", value); };
  std::int64_t value = 0;
  if (!parse_integer(node.text(), value)) {
    context.wrong_value(node, "out_of_range", "is out of range", fmt::format("{} to {}", range.low, range.high));
    return false;
  }
  if (!check_range(node, value, range, show, context)) return false;
  out = value;
  return true;
}

bool read_real(const Node& node, double& out, ReadContext& context) {
  if (node.kind() != Kind::integer && node.kind() != Kind::real) return context.wrong_type(node, "a number"), false;
  std::string_view text = node.text();
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const FieldInfo* const field = context.field();
  RealRange range{-std::numeric_limits<double>::max(), std::numeric_limits<double>::max()};
  if (field != nullptr && field->real_range) range = *field->real_range;
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  if (!is_number || !(value >= range.low && value <= range.high)) {
    const bool is_bound = field != nullptr && field->real_range;
    context.wrong_value(node, "out_of_range", "is out of range",
                        is_bound ? fmt::format("{} to {}", range.low, range.high) : "a finite decimal number");
    return false;
  }
  out = value;
  return true;
}

bool read_duration(const Node& node, std::chrono::nanoseconds& out, std::chrono::nanoseconds step,
                   ReadContext& context) {
  constexpr const char* wanted = "a duration such as 250ms, 5s or 1h";
  if (!node.is_scalar() || node.kind() == Kind::null || node.kind() == Kind::boolean)
    return context.wrong_type(node, wanted), false;
  const auto parsed = parse_duration(node.text());
  if (!parsed) return context.wrong_value(node, "bad_duration", parsed.error(), wanted), false;
  if (parsed->count() % step.count() != 0) {
    context.wrong_value(node, "bad_duration", "is too fine", fmt::format("a multiple of {}", format(step)));
    return false;
  }
  const FieldInfo* const field = context.field();
  const auto show = [](std::int64_t value) { return format(std::chrono::nanoseconds(value)); };
  if (field != nullptr && field->range && !check_range(node, parsed->count(), *field->range, show, context))
    return false;
  out = *parsed;
  return true;
}

bool read_size(const Node& node, Size& out, ReadContext& context) {
  constexpr const char* wanted = "a size such as 4096, 64KiB or 10MB";
  if (!node.is_scalar() || node.kind() == Kind::null || node.kind() == Kind::boolean)
    return context.wrong_type(node, wanted), false;
  const auto parsed = parse_size(node.text());
  if (!parsed) return context.wrong_value(node, "bad_size", parsed.error(), wanted), false;
  const FieldInfo* const field = context.field();
  const auto show = [](std::int64_t value) { return format(Size{static_cast<std::uint64_t>(value)}); };
  const auto bytes = static_cast<std::int64_t>(parsed->bytes);
  if (field != nullptr && field->range && !check_range(node, bytes, *field->range, show, context)) return false;
  out = *parsed;
  return true;
}

bool read_rate(const Node& node, Rate& out, ReadContext& context) {
  constexpr const char* wanted = "a rate such as 100/s or 5/m";
  if (!node.is_scalar() || node.kind() == Kind::null || node.kind() == Kind::boolean)
    return context.wrong_type(node, wanted), false;
  const auto parsed = parse_rate(node.text());
  if (!parsed) return context.wrong_value(node, "bad_rate", parsed.error(), wanted), false;
  const FieldInfo* const field = context.field();
  const auto show = [](std::int64_t value) { return fmt::format("{}", value); };
  const auto count = static_cast<std::int64_t>(parsed->count);
  if (field != nullptr && field->range && !check_range(node, count, *field->range, show, context)) return false;
  out = *parsed;
  return true;
}

bool read_choice(const Node& node, std::size_t& out, std::span<const std::string_view> names, ReadContext& context) {
  const std::string all = fmt::format("{}", fmt::join(names, ", "));
  if (!node.is_scalar() || node.kind() == Kind::null) return context.wrong_type(node, "one of " + all), false;
  const auto found = std::find(names.begin(), names.end(), node.text());
  if (found == names.end()) {
    auto& added = context.wrong_value(node, "unknown_choice", "is not a choice here", "one of " + all);
    if (const auto near = did_you_mean(node.text(), names)) added.want = fmt::format("did you mean '{}'?", *near);
    return false;
  }
  out = static_cast<std::size_t>(found - names.begin());
  return true;
}

bool check_list(const Node& node, ReadContext& context) {
  const FieldInfo* const field = context.field();
  const bool takes_one = field != nullptr && field->takes_one_or_many && node.kind() != Kind::null;
  if (!node.is_list() && !takes_one) {
    auto& added = context.wrong_type(node, "a list");
    if (node.is_map()) added.help = "begin each entry with `- `";
    const bool is_one = node.is_scalar() && node.kind() != Kind::null;
    if (is_one && !node.is_quoted()) added.help = fmt::format("write [{}]", quoted_part(node));
    return false;
  }
  return check_filled(node, node.is_list() && node.items().empty(), context);
}

bool check_is_map(const Node& node, ReadContext& context) {
  if (node.is_map()) return true;
  auto& added = context.wrong_type(node, "a map");
  if (node.is_list()) added.help = "write `key: value`, without the `- `";
  const bool lacks_space = node.kind() == Kind::text && !node.is_quoted() && node.text().contains(':');
  if (lacks_space) added.help = "write a space after the ':' of a key";
  return false;
}

bool check_map(const Node& node, ReadContext& context) {
  if (!check_is_map(node, context)) return false;
  return check_filled(node, node.entries().empty(), context);
}

}  // namespace sluice::config
