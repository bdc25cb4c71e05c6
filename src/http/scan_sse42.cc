// Compiled for SSE4.2 whatever the build's flags; called only where the machine has it.
#include "http/scan.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>

#include "http/characters.h"

#pragma clang attribute push(__attribute__((target("sse4.2,popcnt"))), apply_to = function)
#include "http/scan_simd.h"

namespace sluice::http {
namespace {

struct Vector16 {
  static constexpr std::size_t width = 16;
  __m128i bytes;

  static Vector16 load(const char* text) { return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(text))}; }
  void store(char* text) const { _mm_storeu_si128(reinterpret_cast<__m128i*>(text), bytes); }
  static std::uint64_t bits(__m128i vector) { return static_cast<std::uint32_t>(_mm_movemask_epi8(vector)); }

  std::uint64_t equal_to(char c) const { return bits(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(c))); }
  std::uint64_t members_of(const CharacterSet& set) const {
    const __m128i rows = _mm_loadu_si128(reinterpret_cast<const __m128i*>(set.rows().data()));
    const __m128i columns = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i nibble = _mm_set1_epi8(0x0f);
    const __m128i row = _mm_shuffle_epi8(rows, _mm_and_si128(bytes, nibble));
    const __m128i column = _mm_shuffle_epi8(columns, _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
    return ~bits(_mm_cmpeq_epi8(_mm_and_si128(row, column), _mm_setzero_si128())) & 0xffffu;
  }
  std::uint64_t controls() const {
    const __m128i below_space = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    const __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    return bits(_mm_or_si128(_mm_andnot_si128(tab, below_space), del));
  }
  __m128i upper_case_bytes() const {  // signed compare: bytes above 0x7f are negative
    return _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8('A' - 1)), _mm_cmpgt_epi8(_mm_set1_epi8('Z' + 1), bytes));
  }
  std::uint64_t upper_case() const { return bits(upper_case_bytes()); }
  // The first `count` bytes in lower case.
  Vector16 lower_case(std::size_t count) const {
    const __m128i place = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m128i in_front = _mm_cmpgt_epi8(_mm_set1_epi8(static_cast<char>(count)), place);
    const __m128i changed = _mm_and_si128(_mm_and_si128(upper_case_bytes(), in_front), _mm_set1_epi8(0x20));
    return {_mm_or_si128(bytes, changed)};
  }
};

}  // namespace

constinit const Scanner sse42_scanner = SimdScan<Vector16>::make("sse4.2");

}  // namespace sluice::http

#pragma clang attribute pop
#endif
