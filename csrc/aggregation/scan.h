// Finding the pairs of a chunk of supports, without a transposed neighbour table.
//
// What pairs add to a support's row must be summed in one order whatever the number of threads, so
// a chunk of supports owns its rows, reads the whole neighbour table and keeps the pairs that fall
// into it. Comparing is so cheap beside the work on a pair that 32 chunks cost next to nothing.
#pragma once

#include "aggregation/problem.h"
#include "aggregation/simd.h"

namespace salanet::SALANET_ISA {

// visit(query, support, slot) for every neighbour in [begin, end), in the order of the table.
template <typename Visit>
void scan_pairs(const Problem& problem, int64_t begin, int64_t end, Visit&& visit) {
  constexpr int64_t kBatch = 64;
  const int64_t total = problem.M * problem.K;
  const uint32_t first = static_cast<uint32_t>(begin), span = static_cast<uint32_t>(end - begin);
  const int32_t* table = problem.neighbours;
  for (int64_t base = 0; base < total; base += kBatch) {
    const int64_t stop = base + kBatch < total ? base + kBatch : total;
    if (stop - base == kBatch) {
      uint32_t any = 0;
      for (int64_t e = 0; e < kBatch; ++e)
        any |= static_cast<uint32_t>(table[base + e]) - first < span;
      if (!any) continue;
    }
    int64_t i = base / problem.K, k = base - i * problem.K;
    for (int64_t e = base; e < stop; ++e) {
      if (static_cast<uint32_t>(table[e]) - first < span) visit(i, table[e], k);
      if (++k == problem.K) k = 0, ++i;
    }
  }
}

}  // namespace salanet::SALANET_ISA
