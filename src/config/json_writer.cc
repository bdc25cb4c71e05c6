#include "config/json_writer.h"

#include <fmt/format.h>

#include <cmath>

#include "base/json.h"

namespace sluice::config {

void JsonWriter::text(std::string_view value) {
  separate();
  append_json_string(out_, value);
}

void JsonWriter::integer(std::int64_t value) {
  separate();
  fmt::format_to(std::back_inserter(out_), "{}", value);
}

void JsonWriter::real(double value) {
  separate();
  if (std::isfinite(value)) {
    fmt::format_to(std::back_inserter(out_), "{}", value);
  } else {
    out_ += "null";  // JSON has no infinity
  }
}

void JsonWriter::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
}

void JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  ++depth_;
  is_first_ = true;
}

void JsonWriter::close(char bracket) {
  --depth_;
  has_key_ = false;
  if (!is_first_) new_line();
  out_ += bracket;
  is_first_ = false;
}

void JsonWriter::separate() {
  if (depth_ != 0) {
    if (!is_first_) out_ += is_indented_ ? "," : ", ";
    new_line();
  }
  is_first_ = false;
  if (!has_key_) return;
  append_json_string(out_, key_);
  out_ += ": ";
  has_key_ = false;
}

void JsonWriter::new_line() {
  if (!is_indented_) return;
  out_ += '\n';
  out_.append(depth_ * 2, ' ');
}

}  // namespace sluice::config
