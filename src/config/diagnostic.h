#pragma once
// Everything that is wrong with a set of config files, gathered first and printed together.
// Not for the data path: a failed request is a sluice::Error.
//
// Owned by who loads a config, used by one thread at a time.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "config/place.h"

namespace sluice::config {

enum class Severity : std::uint8_t { error, warning };

// A second place that explains the first: "first given here".
struct Note {
  std::string what;
  Place place;
};

struct Diagnostic {
  Severity severity = Severity::error;
  std::string code;  // stable, snake_case: "unknown_key"
  Place place;
  std::string path;  // "routes[2].policies[0].rate_limit.requests"; may be empty
  std::string what;  // "0 is out of range"
  std::string want;  // shown beside the caret: "want 1 to 1000000"; may be empty
  std::string help;  // the remedy; may be empty
  std::vector<Note> notes;
};

class Diagnostics {
 public:
  static constexpr std::size_t max_kept = 10'000;  // what follows is only counted
  static constexpr std::size_t max_printed = 100;
  static constexpr std::size_t max_columns = 120;  // of an echoed line; longer ones are shown in part

  // Keeps a file, so that its lines can be shown. Returns the index for Place::file. The text stays where it is.
  std::uint16_t add_source(std::string name, std::string text);
  std::size_t source_count() const { return sources_.size(); }
  std::string_view source_name(std::uint16_t file) const;
  std::string_view source_text(std::uint16_t file) const;

  // Adds one message. The reference stays good as long as this object; fill `want`, `help` and `notes` through it.
  Diagnostic& error(Place place, std::string_view code, std::string path, std::string what);
  Diagnostic& warning(Place place, std::string_view code, std::string path, std::string what);

  // Shows `*` for what stands at `place`, in every echoed line: it is a secret.
  void conceal(Place place) { concealed_.push_back(place); }

  bool has_errors() const { return errors_ != 0; }
  bool is_empty() const { return errors_ + warnings_ == 0; }
  std::size_t error_count() const { return errors_; }
  std::size_t warning_count() const { return warnings_; }
  const std::deque<Diagnostic>& all() const { return kept_; }  // as they were found, not sorted

  // All messages by place, the way `sluice check` prints them: one final newline; "" when there are none.
  std::string render() const;
  // One JSON object a line, by place; not limited in number beyond max_kept.
  std::string render_json() const;

 private:
  struct Source {
    std::string name;
    std::string text;
    mutable std::vector<std::size_t> lines;  // byte offset of each line, found when a line is first shown
  };

  Diagnostic& add(Severity severity, Place place, std::string_view code, std::string path, std::string what);
  std::vector<const Diagnostic*> by_place() const;
  std::string_view source_line(Place place) const;
  void render_one(std::string& out, const Diagnostic& diagnostic) const;
  void render_echo(std::string& out, const Diagnostic& diagnostic) const;
  std::string place_text(Place place) const;

  std::deque<Source> sources_;
  std::deque<Diagnostic> kept_;
  std::vector<Place> concealed_;
  Diagnostic overflow_;  // what is written to once max_kept are kept
  std::size_t errors_ = 0;
  std::size_t warnings_ = 0;
};

// Appends `text` so that it stays on one line and cannot drive a terminal: controls and text-direction marks are
// escaped.
void append_printable(std::string& out, std::string_view text);

}  // namespace sluice::config
