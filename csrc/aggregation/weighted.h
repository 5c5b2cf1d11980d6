// Sums over neighbours with given scores: plain pointers and sizes, the same for every instruction
// set. See salanet/ops/aggregation/weighted.py for the formulas.
#pragma once

#include <cstdint>

#include "common/isa.h"

namespace salanet {

struct Weighted {
  const float* values;        // (M, K, T), or null: every score is one
  const int32_t* groups;      // (M, K, T), or null: the t-th value is for group t
  const int32_t* neighbours;  // (M, K); anything outside [0, N) is missing
  const float* features;      // (N, C)
  int64_t M, N, K, T, G, C;
};

// For every support, the pairs (i, k) that name it, as i * K + k in rising order.
struct Users {
  const int64_t* begin;  // (N + 1,)
  const int64_t* pairs;
};

}  // namespace salanet

// Ranges are of queries or, for the gradients of features, of supports; each writes its own rows.
#define SALANET_DECLARE_WEIGHTED(isa)                                                              \
  namespace salanet::isa {                                                                         \
  void offsets(const Weighted&, const float* queries, const float* supports, float radius,         \
               int64_t begin, int64_t end, float* out);                                            \
  void influence(const float* offsets, const float* points, int64_t G, float extent,               \
                 int64_t begin, int64_t end, float* out);                                          \
  void depthwise(const Weighted&, const float* weight, int64_t begin, int64_t end, float* out);    \
  void depthwise_features(const Weighted&, const float* weight, const Users&, const float* grad,   \
                          int64_t begin, int64_t end, float* out);                                 \
  void depthwise_weight(const Weighted&, const float* grad, int64_t begin, int64_t end,            \
                        float* partial);                                                           \
  void grid(const Weighted&, int64_t begin, int64_t end, float* out);                              \
  void grid_features(const Weighted&, const Users&, const float* grad, int64_t begin, int64_t end, \
                     float* out);                                                                  \
  void grid_values(const Weighted&, const float* grad, int64_t begin, int64_t end, float* out);    \
  int64_t farthest_step(const float* x, const float* y, const float* z, int64_t n, int64_t last,   \
                        float* nearest);                                                           \
  }

SALANET_DECLARE_WEIGHTED(portable)
#if defined(__x86_64__) || defined(_M_X64)
SALANET_DECLARE_WEIGHTED(avx2)
SALANET_DECLARE_WEIGHTED(avx512)
#endif
