// Compiled for AVX2 whatever the build's flags; called only where the machine has it.
#include "http/scan.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>

#include "http/characters.h"

#pragma clang attribute push(__attribute__((target("avx2,bmi,popcnt"))), apply_to = function)
#include "http/scan_simd.h"

namespace sluice::http {
namespace {

struct Vector32 {
  static constexpr std::size_t width = 32;
  __m256i bytes;

  static Vector32 load(const char* text) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(text))}; }
  void store(char* text) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(text), bytes); }
  static std::uint64_t bits(__m256i vector) { return static_cast<std::uint32_t>(_mm256_movemask_epi8(vector)); }

  std::uint64_t equal_to(char c) const { return bits(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(c))); }
  std::uint64_t members_of(const CharacterSet& set) const {
    const __m256i rows =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(set.rows().data())));
    const __m256i columns = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                             1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    const __m256i row = _mm256_shuffle_epi8(rows, _mm256_and_si256(bytes, nibble));
    const __m256i column = _mm256_shuffle_epi8(columns, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
    return ~bits(_mm256_cmpeq_epi8(_mm256_and_si256(row, column), _mm256_setzero_si256())) & 0xffffffffu;
  }
  std::uint64_t controls() const {
    const __m256i below_space = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
    const __m256i tab = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\t'));
    const __m256i del = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7f));
    return bits(_mm256_or_si256(_mm256_andnot_si256(tab, below_space), del));
  }
  __m256i upper_case_bytes() const {  // signed compare: bytes above 0x7f are negative
    return _mm256_and_si256(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8('A' - 1)),
                            _mm256_cmpgt_epi8(_mm256_set1_epi8('Z' + 1), bytes));
  }
  std::uint64_t upper_case() const { return bits(upper_case_bytes()); }
  // The first `count` bytes in lower case.
  Vector32 lower_case(std::size_t count) const {
    const __m256i place = _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,  //
                                           16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
    const __m256i in_front = _mm256_cmpgt_epi8(_mm256_set1_epi8(static_cast<char>(count)), place);
    const __m256i changed = _mm256_and_si256(_mm256_and_si256(upper_case_bytes(), in_front), _mm256_set1_epi8(0x20));
    return {_mm256_or_si256(bytes, changed)};
  }
};

}  // namespace

constinit const Scanner avx2_scanner = SimdScan<Vector32>::make("avx2");

}  // namespace sluice::http

#pragma clang attribute pop
#endif
