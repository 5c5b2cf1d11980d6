#pragma once

#include <cstdint>

#include "geometry/point_index.h"

namespace salanet {

// The k nearest supports strictly within `radius` of each query: out (queries, k), nearest first,
// equal distances by lower row, supports.count where there are fewer. Clouds are matched by number.
void radius_search(const PointIndex& queries, const PointIndex& supports, float radius, int64_t k,
                   int32_t* out, int threads);

// The nearest support of each query, of equally near ones the lowest row: out (queries,).
void nearest(const PointIndex& queries, const PointIndex& supports, int32_t* out, int threads);

// A distance squared and a row in one number that sorts by the first, then the second.
uint64_t pack_hit(float distance, int32_t row);
// Moves the k lowest to the front, in order.
void lowest_hits(uint64_t* hits, int64_t count, int64_t k);

// The part compiled per instruction set: query blocks [begin, end), all of one cloud.
struct RadiusTask {
  const PointIndex *queries, *supports;
  float radius;
  int64_t k;
  int32_t* out;
};
struct NearestTask {
  const PointIndex *queries, *supports;
  int32_t* out;
};
#define SALANET_DECLARE_SEARCH(isa)                                                        \
  namespace isa {                                                                          \
  void radius_blocks(const RadiusTask&, const Cloud& queries, const Cloud& supports,       \
                     int64_t begin, int64_t end);                                          \
  void nearest_blocks(const NearestTask&, const Cloud& queries, const Cloud& supports,     \
                      int64_t begin, int64_t end);                                         \
  }
SALANET_DECLARE_SEARCH(portable)
SALANET_DECLARE_SEARCH(avx2)
SALANET_DECLARE_SEARCH(avx512)
#undef SALANET_DECLARE_SEARCH

}  // namespace salanet
