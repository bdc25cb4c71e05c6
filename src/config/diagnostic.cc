#include "config/diagnostic.h"

#include <algorithm>
#include <tuple>

namespace sluice::config {

std::uint16_t Diagnostics::add_source(std::string name, std::string text) {
  if (sources_.size() + 1 < Place::no_file) sources_.push_back({std::move(name), std::move(text), {}});
  return static_cast<std::uint16_t>(sources_.size() - 1);
}

std::string_view Diagnostics::source_name(std::uint16_t file) const {
  return file < sources_.size() ? std::string_view(sources_[file].name) : std::string_view();
}

std::string_view Diagnostics::source_text(std::uint16_t file) const {
  return file < sources_.size() ? std::string_view(sources_[file].text) : std::string_view();
}

Diagnostic& Diagnostics::error(Place place, std::string_view code, std::string path, std::string what) {
  ++errors_;
  return add(Severity::error, place, code, std::move(path), std::move(what));
}

Diagnostic& Diagnostics::warning(Place place, std::string_view code, std::string path, std::string what) {
  ++warnings_;
  return add(Severity::warning, place, code, std::move(path), std::move(what));
}

Diagnostic& Diagnostics::add(Severity severity, Place place, std::string_view code, std::string path,
                             std::string what) {
  Diagnostic& added = kept_.size() < max_kept ? kept_.emplace_back() : overflow_;
  added = {};
  added.severity = severity;
  added.code = code;
  added.place = place;
  added.path = std::move(path);
  added.what = std::move(what);
  return added;
}

std::vector<const Diagnostic*> Diagnostics::by_place() const {
  struct Row {
    const Diagnostic* diagnostic;
    std::size_t found;  // keeps the order of finding at one place
  };
  std::vector<Row> rows;
  for (const Diagnostic& diagnostic : kept_) rows.push_back({&diagnostic, rows.size()});
  const auto rank = [](const Row& row) {
    const Place& place = row.diagnostic->place;
    return std::tuple(place.file, place.line, place.column, row.found);
  };
  std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return rank(a) < rank(b); });
  std::vector<const Diagnostic*> sorted;
  for (const Row& row : rows) sorted.push_back(row.diagnostic);
  return sorted;
}

}  // namespace sluice::config
