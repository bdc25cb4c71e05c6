// How diagnostics look: the text for people and the JSON for tools.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/json.h"
#include "config/diagnostic.h"
#include "config/json_writer.h"

namespace sluice::config {
namespace {

// Line breaks as the YAML reader counts them: also U+0085, U+2028 and U+2029. Returns the break's bytes, 0 for none.
std::size_t break_size(std::string_view text) {
  if (text[0] == '\n') return 1;
  if (text[0] == '\r') return text.size() > 1 && text[1] == '\n' ? 2 : 1;
  if (text.starts_with("\xc2\x85")) return 2;
  return text.starts_with("\xe2\x80\xa8") || text.starts_with("\xe2\x80\xa9") ? 3 : 0;
}

std::vector<std::size_t> line_offsets(std::string_view text) {
  std::vector<std::size_t> offsets{0};
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = break_size(text.substr(at));
    at += size == 0 ? 1 : size;
    if (size != 0) offsets.push_back(at);
  }
  return offsets;
}

bool drives_a_terminal(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe0fff);
}

void append_char(std::string& out, std::string_view text, const Utf8Char& c) {
  if (!c.valid) {
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[0]));
  } else if (c.code == '\t') {
    out += "\\t";
  } else if (c.code == '\n') {
    out += "\\n";
  } else if (c.code == '\r') {
    out += "\\r";
  } else if (drives_a_terminal(c.code)) {
    fmt::format_to(std::back_inserter(out), "\\u{{{:x}}}", std::uint32_t{c.code});
  } else {
    out += text.substr(0, c.size);
  }
}

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// One echoed line, cut into the cells that its characters fill: an escaped character is several columns wide.
struct Echo {
  std::vector<std::string> cells;
  std::size_t from = 0;  // first cell shown
  std::size_t to = 0;    // past the last
};

std::size_t width_of(const Echo& echo, std::size_t from, std::size_t to) {
  std::size_t width = 0;
  for (std::size_t i = from; i < std::min(to, echo.cells.size()); ++i) width += columns_of(echo.cells[i]);
  return width;
}

Echo cut_into_cells(std::string_view line, std::size_t caret) {
  // Only the cells that can be shown are made: a line may be many megabytes long.
  const std::size_t most = caret + 2 * Diagnostics::max_columns;
  Echo echo;
  while (!line.empty() && echo.cells.size() < most) {
    const Utf8Char c = decode_utf8(line);
    append_char(echo.cells.emplace_back(), line, c);
    line.remove_prefix(c.size);
  }
  return echo;
}

// Chooses what of a long line is shown: the caret stands a third of the way in.
void choose_window(Echo& echo, std::size_t caret) {
  echo.to = echo.cells.size();
  if (width_of(echo, 0, echo.to) <= Diagnostics::max_columns) return;
  const std::size_t room = Diagnostics::max_columns - 6;  // "..." at both ends
  std::size_t from = std::min(caret, echo.cells.size());
  while (from > 0 && width_of(echo, from - 1, caret) <= room / 3) --from;
  std::size_t to = from;
  std::size_t width = 0;
  while (to < echo.cells.size() && (width += columns_of(echo.cells[to])) <= room) ++to;
  echo.from = from;
  echo.to = to;
}

void append_line(std::string& out, std::string_view label, std::string_view text) {
  out += label;
  append_printable(out, text);
  out += '\n';
}

void write_json(JsonWriter& json, const Diagnostics& all, const Diagnostic& d) {
  const auto place = [&](const Place& p) {
    json.member("file", all.source_name(p.file));
    json.key("line"), json.integer(p.line);
    json.key("column"), json.integer(p.column);
    json.key("width"), json.integer(p.width);
  };
  json.begin_object();
  json.member("severity", d.severity == Severity::error ? "error" : "warning");
  json.member("code", d.code);
  place(d.place);
  json.member("path", d.path);
  json.member("what", d.what);
  json.member("want", d.want);
  json.member("help", d.help);
  json.key("notes"), json.begin_array();
  for (const Note& note : d.notes) {
    json.begin_object();
    json.member("what", note.what);
    place(note.place);
    json.end_object();
  }
  json.end_array();
  json.end_object();
}

}  // namespace

void append_printable(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const Utf8Char c = decode_utf8(text);
    append_char(out, text, c);
    text.remove_prefix(c.size);
  }
}

std::string Diagnostics::render() const {
  std::string out;
  std::size_t printed = 0;
  for (const Diagnostic* diagnostic : by_place()) {
    if (printed++ == max_printed) break;
    render_one(out, *diagnostic);
  }
  const std::size_t total = errors_ + warnings_;
  if (total > max_printed) fmt::format_to(std::back_inserter(out), "and {} more\n", total - max_printed);
  return out;
}

std::string Diagnostics::render_json() const {
  std::string out;
  for (const Diagnostic* diagnostic : by_place()) {
    JsonWriter json(JsonWriter::Layout::one_line);
    write_json(json, *this, *diagnostic);
    out += json.result();
    out += '\n';
  }
  return out;
}

std::string Diagnostics::place_text(Place place) const {
  std::string out;
  append_printable(out, source_name(place.file));
  if (place.line != 0) fmt::format_to(std::back_inserter(out), ":{}:{}", place.line, place.column);
  return out;
}

std::string_view Diagnostics::source_line(Place place) const {
  if (place.file >= sources_.size() || place.line == 0) return {};
  const Source& source = sources_[place.file];
  if (source.lines.empty()) source.lines = line_offsets(source.text);
  if (place.line > source.lines.size()) return {};
  std::string_view line = std::string_view(source.text).substr(source.lines[place.line - 1]);
  if (place.line < source.lines.size()) line = line.substr(0, source.lines[place.line] - source.lines[place.line - 1]);
  for (const std::string_view ending : {"\n", "\r", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"})
    if (line.ends_with(ending)) line.remove_suffix(ending.size());
  return line;
}

void Diagnostics::render_one(std::string& out, const Diagnostic& d) const {
  if (const std::string place = place_text(d.place); !place.empty()) out += place + ": ";
  fmt::format_to(std::back_inserter(out), "{}[{}]: ", d.severity == Severity::error ? "error" : "warning", d.code);
  append_printable(out, d.path);
  append_line(out, d.path.empty() ? "" : ": ", d.what);
  render_echo(out, d);
  for (const Note& note : d.notes) append_line(out, "   note: ", note.what + ": " + place_text(note.place));
  if (!d.help.empty()) append_line(out, "   help: ", d.help);
}

void Diagnostics::render_echo(std::string& out, const Diagnostic& d) const {
  const Place place = d.place;
  const std::string_view line = source_line(place);
  if (line.empty()) {
    if (!d.want.empty()) append_line(out, "   help: ", d.want);
    return;
  }
  const std::size_t caret = place.column == 0 ? 0 : place.column - 1;
  Echo echo = cut_into_cells(line, caret);
  for (const Place& secret : concealed_) {
    if (secret.file != place.file || secret.line != place.line) continue;
    for (std::size_t i = secret.column - 1;
         i < std::min<std::size_t>(secret.column - 1 + secret.width, echo.cells.size()); ++i)
      echo.cells[i] = "*";
  }
  choose_window(echo, caret);

  const std::string_view left = echo.from > 0 ? "..." : "";
  fmt::format_to(std::back_inserter(out), "{:>5} | {}", place.line, left);
  for (std::size_t i = echo.from; i < echo.to; ++i) out += echo.cells[i];
  out += echo.to < echo.cells.size() ? "...\n" : "\n";

  const std::size_t shown_end = std::clamp<std::size_t>(caret + place.width, echo.from, echo.to);
  const std::size_t marks = std::max<std::size_t>(width_of(echo, caret, shown_end), 1);
  const std::size_t blank = left.size() + width_of(echo, echo.from, caret) + (caret > echo.cells.size() ? 1 : 0);
  const std::size_t gutter = std::max<std::size_t>(5, fmt::formatted_size("{}", place.line));
  fmt::format_to(std::back_inserter(out), "{:>{}} | {:>{}}^{:~>{}}", "", gutter, "", blank, "", marks - 1);
  append_line(out, d.want.empty() ? "" : " ", d.want);
}

}  // namespace sluice::config
