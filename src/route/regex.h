#pragma once
// The one door to RE2: user patterns that match in time linear in the text, whatever the pattern.
// Not a general wrapper: whole-text matches only, over canonical paths or over field and query values.
//
// Immutable once made; any thread may match. RE2 builds its automaton while it matches and guards it with a lock of its
// own: a table without regexes takes no lock, one with regexes takes RE2's reader lock.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace sluice::route {

inline constexpr std::int64_t max_regex_memory_bytes = std::int64_t{8}
                                                       << 20;  // compiled form and automaton, per pattern
inline constexpr int max_regex_groups = 32;

// What a regex runs over. A canonical path is ASCII (everything else is percent-encoded), so its patterns work on
// bytes; values are UTF-8, and `.` matches any character of them.
enum class RegexSubject : std::uint8_t { path, value };

struct RegexFault {
  std::string what;      // RE2's own words: "missing ]"
  std::string fragment;  // the part of the pattern that is wrong; may be empty
  bool is_too_large = false;
};

class Regex {
 public:
  // nullptr and `fault` filled when the pattern is no good. Cost: about 10 us.
  static std::shared_ptr<const Regex> make(std::string_view text, RegexSubject subject, RegexFault& fault);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  // Whether the whole text matches. No allocation once RE2's automaton has seen similar texts.
  bool matches(std::string_view text) const;

  // The named groups, by position in the pattern; `(?P<id>..)`.
  std::span<const std::string> group_names() const { return names_; }
  // The texts of the named groups, in the order of group_names(); a group that took no part is "".
  // `out` has that many elements. False when the text does not match.
  bool capture(std::string_view text, std::span<std::string_view> out) const;

  const std::string& text() const { return text_; }

 private:
  Regex() = default;
  std::unique_ptr<const re2::RE2> regex_;
  std::string text_;
  std::vector<std::string> names_;
  std::vector<int> groups_;  // group number of each name
  int submatches_ = 0;       // how many RE2 has to find
};

// Many path regexes asked at once. A few are asked one by one; more share one automaton (RE2::Set), whose cost per byte
// does not grow with their number. Should RE2 run out of its memory budget, all are asked one by one: slow, still
// right.
class RegexSet {
 public:
  // From this many patterns on one automaton beats single questions.
  static constexpr std::size_t min_shared = 4;

  explicit RegexSet(std::vector<std::shared_ptr<const Regex>> members);
  ~RegexSet();
  RegexSet(RegexSet&&) noexcept;
  RegexSet& operator=(RegexSet&&) noexcept;

  // Calls visit(index) for each member that matches the whole text, in no particular order.
  template <class Visit>
  void each_match(std::string_view text, Visit visit) const {
    if (only_ != nullptr) {
      if (only_->matches(text)) visit(0u);
      return;
    }
    if (shared_ != nullptr && find_shared(text)) {
      for (const int index : found()) visit(static_cast<std::uint32_t>(index));
      return;
    }
    for (std::uint32_t i = 0; i < members_.size(); ++i)
      if (members_[i]->matches(text)) visit(i);
  }
  std::size_t size() const { return members_.size(); }

  // How often the automaton ran out of memory and the members were asked one by one. Whole process, relaxed.
  static std::uint64_t exhausted_count();

 private:
  struct Shared;  // holds the RE2::Set
  // Fills found(); false when the automaton gave up. Allocates: RE2::Set makes a scratch set per question.
  bool find_shared(std::string_view text) const;
  static std::span<const int> found();

  const Regex* only_ = nullptr;  // the single member: the usual case, spared a step
  std::unique_ptr<const Shared> shared_;
  std::vector<std::shared_ptr<const Regex>> members_;
};

// The characters that every text matched by `pattern` begins with, found in the pattern's text: `/api/v1/[^/]+` has
// "/api/v1/". "" when none is certain. Conservative, never wrong.
std::string literal_beginning(std::string_view pattern);
// The whole leading segments that every path matched by `pattern` must have, likewise: "/api/v1".
std::string literal_segments(std::string_view pattern);

}  // namespace sluice::route
