// Finding the pairs of a chunk of supports, without a transposed neighbour table.
//
// What pairs add to a support's row must be summed in one order whatever the number of threads, so
// a chunk of supports owns its rows, reads the whole neighbour table and keeps the pairs that fall
// into it. Comparing is so cheap beside the work on a pair that 32 chunks cost next to nothing.
#pragma once

#include "aggregation/problem.h"
#include "aggregation/simd.h"

namespace salanet::SALANET_ISA {

// A bit for each of 64 entries that lies in [first, first + span).
inline uint64_t entries_within(const int32_t* table, uint32_t first, uint32_t span) {
  uint64_t found = 0;
#if defined(__AVX512F__)
  const __m512i low = _mm512_set1_epi32(static_cast<int>(first));
  const __m512i size = _mm512_set1_epi32(static_cast<int>(span));
  for (int e = 0; e < 64; e += 16) {
    const __m512i above = _mm512_sub_epi32(_mm512_loadu_si512(table + e), low);
    found |= static_cast<uint64_t>(_mm512_cmplt_epu32_mask(above, size)) << e;
  }
#elif defined(__AVX2__)
  const __m256i sign = _mm256_set1_epi32(INT32_MIN);  // there are signed comparisons only
  const __m256i low = _mm256_set1_epi32(static_cast<int>(first));
  const __m256i size = _mm256_xor_si256(_mm256_set1_epi32(static_cast<int>(span)), sign);
  for (int e = 0; e < 64; e += 8) {
    const __m256i entries = load_as<__m256i>(table + e);
    const __m256i above = _mm256_xor_si256(_mm256_sub_epi32(entries, low), sign);
    const __m256i within = _mm256_cmpgt_epi32(size, above);
    found |= static_cast<uint64_t>(_mm256_movemask_ps(_mm256_castsi256_ps(within))) << e;
  }
#else
  for (int e = 0; e < 64; ++e)
    found |= static_cast<uint64_t>(static_cast<uint32_t>(table[e]) - first < span) << e;
#endif
  return found;
}

// visit(query, support, slot) for every neighbour in [begin, end), in the order of the table. From
// bit to bit: no processor could foresee at which entry a branch is taken.
template <typename Visit>
void scan_pairs(const Problem& problem, int64_t begin, int64_t end, Visit&& visit) {
  const int64_t total = problem.M * problem.K;
  const uint32_t first = static_cast<uint32_t>(begin), span = static_cast<uint32_t>(end - begin);
  int64_t i = 0, next = problem.K;  // the row, and where the one after it begins
  for (int64_t base = 0; base < total; base += 64) {
    const int32_t* table = problem.neighbours + base;
    int32_t last[64];
    if (total - base < 64) {
      for (int64_t e = 0; e < 64; ++e) last[e] = base + e < total ? table[e] : -1;
      table = last;
    }
    for (uint64_t found = entries_within(table, first, span); found; found &= found - 1) {
      const int64_t e = __builtin_ctzll(found);
      for (; next <= base + e; next += problem.K) ++i;
      visit(i, table[e], base + e - (next - problem.K));
    }
  }
}

}  // namespace salanet::SALANET_ISA
