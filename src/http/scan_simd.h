#pragma once
// The loops of scan.h over vectors. Included by scan_avx2.cc and scan_sse42.cc only, each between its target attributes
// and with its own Vector; hence no include here, and no function that is not a template.

namespace sluice::http {

// Bits of the first `count` bytes of a vector; all bits when there are more.
template <class Vector>
std::uint64_t first_bits(std::size_t count) {
  return count >= Vector::width ? (std::uint64_t{1} << Vector::width) - 1 : (std::uint64_t{1} << count) - 1;
}

template <class Vector>
struct SimdScan {
  static constexpr std::size_t width = Vector::width;
  static constexpr std::uint64_t all_bits = (std::uint64_t{1} << width) - 1;

  static bool is_space(char c) { return c == ' ' || c == '\t'; }

  // Puts the name into lower case. Returns its size, `size` or more when it does not end. `controls` gets the controls
  // of the vector in which it ends, at `base`.
  static std::size_t field_name(char* line, std::size_t size, std::size_t& base, std::uint64_t& controls,
                                bool& underscore) {
    for (base = 0; base < size; base += width) {
      const Vector text = Vector::load(line + base);
      const std::uint64_t others = ~text.members_of(token_characters) & all_bits;
      const std::size_t count = others == 0 ? width : static_cast<std::size_t>(std::countr_zero(others));
      const std::uint64_t name = first_bits<Vector>(count);
      underscore |= (text.equal_to('_') & name) != 0;
      if ((text.upper_case() & name) != 0) text.lower_case(count).store(line + base);
      controls = text.controls();
      if (count < width) return base + count;
    }
    return base;
  }

  static std::size_t field_line(char* line, std::size_t size, FieldSpan& span) {
    std::size_t base = 0;
    std::uint64_t controls = 0;
    span.has_underscore = false;
    const std::size_t colon = field_name(line, size, base, controls, span.has_underscore);
    if (colon == 0 || colon >= size || line[colon] != ':') return 0;
    // The vector that was loaded for the name also holds the value's beginning: loading bytes again that were just
    // stored in another alignment would stall.
    while (controls == 0) {
      base += width;
      if (base >= size) return 0;
      controls = Vector::load(line + base).controls();
    }
    const std::size_t end = base + static_cast<std::size_t>(std::countr_zero(controls));
    if (end + 2 > size || line[end] != '\r' || line[end + 1] != '\n') return 0;
    std::size_t begin = colon + 1;
    while (begin < end && is_space(line[begin])) ++begin;
    std::size_t last = end;
    while (last > begin && is_space(line[last - 1])) --last;
    span.name_size = colon;
    span.value_begin = begin;
    span.value_end = last;
    return end + 2;
  }

  static std::size_t plain_path(const char* path, std::size_t size, std::string_view* segments, std::size_t capacity) {
    std::size_t count = 0, begin = 1;
    std::uint64_t after_slash = 0;  // of the vector before: bit 0 when its last byte was a slash
    for (std::size_t base = 0; base < size; base += width) {
      const Vector text = Vector::load(path + base);
      const std::uint64_t wanted = first_bits<Vector>(size - base);
      const std::uint64_t slashes = text.equal_to('/') & wanted;
      const std::uint64_t behind = (slashes << 1) | after_slash;
      const std::uint64_t refused = ~text.members_of(plain_path_characters) | (behind & (slashes | text.equal_to('.')));
      if ((refused & wanted) != 0) return 0;
      after_slash = (slashes >> (width - 1)) & 1;
      for (std::uint64_t left = base == 0 ? slashes & ~std::uint64_t{1} : slashes; left != 0; left &= left - 1) {
        const std::size_t slash = base + static_cast<std::size_t>(std::countr_zero(left));
        if (count == capacity) return 0;
        segments[count++] = {path + begin, slash - begin};
        begin = slash + 1;
      }
    }
    if (count == capacity) return 0;
    segments[count++] = {path + begin, size - begin};
    return count;
  }

  template <const CharacterSet& set>
  static std::size_t members(const char* text, std::size_t size) {
    for (std::size_t base = 0; base < size; base += width) {
      const std::uint64_t others = ~Vector::load(text + base).members_of(set) & first_bits<Vector>(size - base);
      if (others != 0) return base + static_cast<std::size_t>(std::countr_zero(others));
    }
    return size;
  }

  static std::size_t controls(const char* text, std::size_t size) {
    std::size_t count = 0;
    for (std::size_t base = 0; base < size; base += width) {
      const std::uint64_t found = Vector::load(text + base).controls() & first_bits<Vector>(size - base);
      count += static_cast<std::size_t>(std::popcount(found));
    }
    return count;
  }

  static constexpr Scanner make(const char* name) {
    return {name, field_line, plain_path, members<target_characters>, members<token_characters>, controls};
  }
};

}  // namespace sluice::http
