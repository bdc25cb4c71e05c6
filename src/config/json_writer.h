#pragma once
// Writes JSON text piece by piece: commas, indentation and escapes are its work, the order of calls is the caller's.
// Not checked: an object without end_object() is the caller's mistake. Cold path.

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::config {

class JsonWriter {
 public:
  enum class Layout : std::uint8_t { one_line, indented };
  explicit JsonWriter(Layout layout) : is_indented_(layout == Layout::indented) {}

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  // Written together with the value that follows; when none does, the key is dropped.
  void key(std::string_view name) { key_ = name, has_key_ = true; }
  void text(std::string_view value);
  void integer(std::int64_t value);
  void real(double value);
  void boolean(bool value);

  void member(std::string_view name, std::string_view value) { key(name), text(value); }

  const std::string& result() const { return out_; }

 private:
  void open(char bracket);
  void close(char bracket);
  void separate();
  void new_line();

  std::string out_;
  std::size_t depth_ = 0;
  bool is_indented_;
  bool is_first_ = true;
  std::string key_;  // waits for its value
  bool has_key_ = false;
};

}  // namespace sluice::config
