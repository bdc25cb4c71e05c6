#pragma once
// A password, key or token. It is given by reference (`env:NAME`, `file:/path`), wiped when dropped, and cannot be
// printed: no operator<<, no formatter, and dump() writes "(secret)". Not encrypted memory.

#include <iosfwd>
#include <string>
#include <string_view>

namespace sluice::config {

class Secret {
 public:
  static constexpr std::size_t max_bytes = 64 * 1024;

  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : value_(other.value_) { other.wipe(); }
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  bool is_empty() const { return value_.empty(); }
  // The one way out; a reviewer looks at every call.
  std::string_view reveal() const { return value_; }
  // Takes the same time wherever the two differ; only the length shows.
  bool equals(std::string_view other) const;
  friend bool operator==(const Secret& a, const Secret& b) { return a.equals(b.value_); }

 private:
  void wipe();
  std::string value_;
};

std::ostream& operator<<(std::ostream&, const Secret&) = delete;

}  // namespace sluice::config
