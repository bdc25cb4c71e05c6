#pragma once
// Reads lines of the access log back, for tests and the fuzz target. Not used outside them.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace sluice::gateway {

// A strict reader of the JSON that the log may hold. Texts are decoded, \uXXXX to <xxxx>; anything else is kept as
// written.
class LogLineReader {
 public:
  using Members = std::vector<std::pair<std::string, std::string>>;

  // Returns the members of the one object of `line`, in order, or nothing when it is not one line of valid JSON.
  static std::optional<Members> read(std::string_view line) {
    if (!line.ends_with("}\n")) return std::nullopt;
    LogLineReader reader(line.substr(0, line.size() - 1));
    Members members;
    if (!reader.object(&members) || !reader.text_.empty()) return std::nullopt;
    return members;
  }

 private:
  explicit LogLineReader(std::string_view text) : text_(text) {}

  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool object(Members* members) {
    if (!take('{')) return false;
    do {
      std::string key;
      std::string value;
      if (!string(key) || !take(':') || !this->value(value)) return false;
      if (members != nullptr) members->emplace_back(key, value);
    } while (take(','));
    return take('}');
  }
  bool value(std::string& out) {
    const std::string_view before = text_;
    if (text_.starts_with('"')) return string(out);
    if (text_.starts_with('{')) {
      if (!object(nullptr)) return false;
    } else if (take('[')) {
      std::string ignored;
      do {
        if (!value(ignored)) return false;
      } while (take(','));
      if (!take(']')) return false;
    } else {
      const std::size_t size = std::min(text_.find_first_not_of("-0123456789"), text_.size());
      if (size == 0) return false;
      text_.remove_prefix(size);
    }
    out = before.substr(0, before.size() - text_.size());
    return true;
  }
  bool string(std::string& out) {
    if (!take('"')) return false;
    while (!text_.empty() && text_[0] != '"') {
      const Utf8Char c = decode_utf8(text_);
      if (!c.valid || c.code < 0x20 || (c.code >= 0x7f && c.code < 0xa0) || c.code == 0x2028 || c.code == 0x2029)
        return false;
      if (c.code == '\\') {
        if (!escape(out)) return false;
        continue;
      }
      out += text_.substr(0, c.size);
      text_.remove_prefix(c.size);
    }
    return take('"');
  }
  bool escape(std::string& out) {
    constexpr std::string_view letters = "\"\\nrt";
    if (text_.size() < 2) return false;
    if (const std::size_t at = letters.find(text_[1]); at != std::string_view::npos) {
      out += "\"\\\n\r\t"[at];
      text_.remove_prefix(2);
      return true;
    }
    if (text_[1] != 'u' || text_.size() < 6 ||
        text_.substr(2, 4).find_first_not_of("0123456789abcdef") != std::string_view::npos)
      return false;
    out += "<" + std::string(text_.substr(2, 4)) + ">";
    text_.remove_prefix(6);
    return true;
  }

  std::string_view text_;
};

}  // namespace sluice::gateway
