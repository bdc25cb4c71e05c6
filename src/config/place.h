#pragma once
// Where a thing stands in a config file: small enough to be kept by every object that was read.
// Not the text itself: Diagnostics keeps the files and turns a Place back into a name and a line.
//
// A struct that wants to remember its place has a member `config::Place place;`: the reader fills it.
// A single value that wants to is a Located<T>.

#include <cstdint>

namespace sluice::config {

struct Place {
  static constexpr std::uint16_t no_file = 0xffff;

  std::uint32_t line = 0;        // from 1; 0: the file as a whole
  std::uint32_t column = 0;      // from 1, in characters
  std::uint16_t file = no_file;  // index of Diagnostics::add_source
  std::uint16_t width = 0;       // characters on the first line; 0: unknown

  bool is_known() const { return file != no_file; }
  bool operator==(const Place&) const = default;
};

// A value and where it was given. When the file does not give it, `place.is_known()` is false.
template <class T>
struct Located {
  T value{};
  Place place;

  const T& operator*() const { return value; }
  const T* operator->() const { return &value; }
};

}  // namespace sluice::config
