#include "route/regex.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <array>
#include <atomic>

namespace sluice::route {
namespace {

// What one member may add to the automaton of a set. Each state of it lists positions in many members: with ten
// thousand members without a common beginning a state takes 100 KiB and more. An upper bound, not taken until needed.
constexpr std::int64_t set_bytes_per_member = 16 * 1024;

std::atomic<std::uint64_t> exhausted{0};

re2::RE2::Options options_for(RegexSubject subject) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(max_regex_memory_bytes);
  options.set_dot_nl(true);
  options.set_encoding(subject == RegexSubject::path ? re2::RE2::Options::EncodingLatin1
                                                     : re2::RE2::Options::EncodingUTF8);
  return options;
}

// RE2::Set reports through a vector; one a thread, so that its memory is kept.
std::vector<int>& scratch() {
  thread_local std::vector<int> indices;
  return indices;
}

}  // namespace

Regex::~Regex() = default;

std::shared_ptr<const Regex> Regex::make(std::string_view text, RegexSubject subject, RegexFault& fault) {
  const std::shared_ptr<Regex> made(new Regex);
  made->text_ = text;
  made->regex_ = std::make_unique<re2::RE2>(made->text_, options_for(subject));
  const re2::RE2& regex = *made->regex_;
  if (!regex.ok()) {
    fault = {regex.error(), regex.error_arg(), regex.error_code() == re2::RE2::ErrorPatternTooLarge};
    return nullptr;
  }
  if (regex.NumberOfCapturingGroups() > max_regex_groups) {
    fault = {"more than " + std::to_string(max_regex_groups) + " groups; write `(?:` for those that need not capture",
             "", true};
    return nullptr;
  }
  for (const auto& [group, name] : regex.CapturingGroupNames()) {
    made->names_.push_back(name);
    made->groups_.push_back(group);
    made->submatches_ = group + 1;  // ascending: the map is sorted by group
  }
  return made;
}

bool Regex::matches(std::string_view text) const {
  return regex_->Match({text.data(), text.size()}, 0, text.size(), re2::RE2::ANCHOR_BOTH, nullptr, 0);
}

bool Regex::capture(std::string_view text, std::span<std::string_view> out) const {
  std::array<re2::StringPiece, max_regex_groups + 1> found;
  if (!regex_->Match({text.data(), text.size()}, 0, text.size(), re2::RE2::ANCHOR_BOTH, found.data(), submatches_))
    return false;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const re2::StringPiece& piece = found[static_cast<std::size_t>(groups_[i])];
    out[i] = {piece.data(), piece.size()};
  }
  return true;
}

struct RegexSet::Shared {
  re2::RE2::Set set;
};

RegexSet::RegexSet(std::vector<std::shared_ptr<const Regex>> members) : members_(std::move(members)) {
  if (members_.size() == 1) only_ = members_.front().get();
  if (members_.size() < min_shared) return;
  auto options = options_for(RegexSubject::path);
  options.set_max_mem(max_regex_memory_bytes + set_bytes_per_member * static_cast<std::int64_t>(members_.size()));
  auto shared = std::make_unique<Shared>(re2::RE2::Set(options, re2::RE2::ANCHOR_BOTH));
  bool is_good = true;
  for (const auto& member : members_) is_good = is_good && shared->set.Add(member->text(), nullptr) >= 0;
  if (is_good && shared->set.Compile()) shared_ = std::move(shared);
}

RegexSet::~RegexSet() = default;
RegexSet::RegexSet(RegexSet&&) noexcept = default;
RegexSet& RegexSet::operator=(RegexSet&&) noexcept = default;

bool RegexSet::find_shared(std::string_view text) const {
  re2::RE2::Set::ErrorInfo error{re2::RE2::Set::kNoError};
  if (shared_->set.Match({text.data(), text.size()}, &scratch(), &error)) return true;
  scratch().clear();
  if (error.kind == re2::RE2::Set::kNoError) return true;
  exhausted.fetch_add(1, std::memory_order_relaxed);
  return false;
}

std::span<const int> RegexSet::found() { return scratch(); }
std::uint64_t RegexSet::exhausted_count() { return exhausted.load(std::memory_order_relaxed); }

namespace {

constexpr std::string_view metacharacters = "^$.[]|()?*+{}\\";

// The length of a class `[..]` that begins `text`; 0 when it does not end.
std::size_t class_length(std::string_view text) {
  std::size_t at = 1;
  if (at < text.size() && text[at] == '^') ++at;
  if (at < text.size() && text[at] == ']') ++at;  // a literal one
  for (; at < text.size(); ++at) {
    if (text[at] == ']') return at + 1;
    if (text[at] == '\\') ++at;
    if (text.substr(at).starts_with("[:")) {
      const std::size_t end = text.find(":]", at + 2);
      if (end == std::string_view::npos) return 0;
      at = end + 1;
    }
  }
  return 0;
}

// Whether the text alone tells what the pattern begins with: no alternative outside of groups, no flags, no \Q..\E.
bool is_plainly_sequential(std::string_view pattern) {
  int depth = 0;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    switch (pattern[at]) {
      case '\\':
        if (++at < pattern.size() && (pattern[at] == 'Q' || pattern[at] == 'E' || pattern[at] == 'C')) return false;
        break;
      case '[': {
        const std::size_t length = class_length(pattern.substr(at));
        if (length == 0) return false;
        at += length - 1;
        break;
      }
      case '(': {
        ++depth;
        const std::string_view rest = pattern.substr(at + 1);
        if (rest.starts_with('?') && !rest.starts_with("?:") && !rest.starts_with("?P<")) return false;
        break;
      }
      case ')':
        --depth;
        break;
      case '|':
        if (depth == 0) return false;
        break;
      default:
        break;
    }
  }
  return depth == 0;
}

bool is_quantifier(char c) { return c == '?' || c == '*' || c == '+' || c == '{'; }

}  // namespace

std::string literal_beginning(std::string_view pattern) {
  std::string literal;
  if (!is_plainly_sequential(pattern)) return literal;
  if (pattern.starts_with('^')) pattern.remove_prefix(1);
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    char c = pattern[at];
    if (c == '\\') {
      if (at + 1 == pattern.size()) break;
      c = pattern[++at];
      const bool is_letter_or_digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
      if (is_letter_or_digit || c == '_') break;  // a class or a border, not that character
    } else if (metacharacters.contains(c)) {
      if (is_quantifier(c) && !literal.empty()) literal.pop_back();
      break;
    }
    literal += c;
  }
  return literal;
}

std::string literal_segments(std::string_view pattern) {
  std::string literal = literal_beginning(pattern);
  // What follows the last slash may go on.
  const std::size_t last = literal.rfind('/');
  literal.resize(last == std::string::npos ? 0 : last);
  return literal.starts_with('/') ? literal : std::string();
}

}  // namespace sluice::route
