// Most scores are zero (a neighbour is near few kernel points, in one bin), so every loop runs over
// the others, and over channels inside, where the compiler vectorises.
#include "aggregation/weighted.h"

#if defined(__GNUC__)
#define SALANET_RESTRICT __restrict__
#else
#define SALANET_RESTRICT __restrict
#endif

namespace salanet::SALANET_ISA {

namespace {

constexpr int64_t kLanes = 16;

// body(group, score) for the scores of one pair that are not zero.
template <typename Body>
inline void each_score(const Weighted& p, int64_t pair, Body&& body) {
  if (p.values == nullptr) {
    body(int64_t{0}, 1.0f);
    return;
  }
  const float* values = p.values + pair * p.T;
  const int32_t* groups = p.groups == nullptr ? nullptr : p.groups + pair * p.T;
  for (int64_t t = 0; t < p.T; ++t)
    if (values[t] != 0.0f) body(groups == nullptr ? t : int64_t{groups[t]}, values[t]);
}

// body(j, pair) for the neighbours of query i that are not missing.
template <typename Body>
inline void each_neighbour(const Weighted& p, int64_t i, Body&& body) {
  for (int64_t k = 0; k < p.K; ++k) {
    const int64_t j = p.neighbours[i * p.K + k];
    if (j >= 0 && j < p.N) body(j, i * p.K + k);
  }
}

inline void clear(float* out, int64_t count) {
  for (int64_t c = 0; c < count; ++c) out[c] = 0.0f;
}

inline void add_scaled(float* SALANET_RESTRICT out, const float* SALANET_RESTRICT x, float scale,
                       int64_t count) {
  for (int64_t c = 0; c < count; ++c) out[c] += scale * x[c];
}

inline void add_product(float* SALANET_RESTRICT out, const float* SALANET_RESTRICT x,
                        const float* SALANET_RESTRICT y, float scale, int64_t count) {
  for (int64_t c = 0; c < count; ++c) out[c] += scale * x[c] * y[c];
}

inline float dot(const float* SALANET_RESTRICT x, const float* SALANET_RESTRICT y, int64_t count) {
  float lanes[kLanes] = {};
  int64_t c = 0;
  for (; c + kLanes <= count; c += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += x[c + lane] * y[c + lane];
  float total = 0.0f;
  for (; c < count; ++c) total += x[c] * y[c];
  for (int64_t lane = 0; lane < kLanes; ++lane) total += lanes[lane];
  return total;
}

}  // namespace

void offsets(const Weighted& p, const float* queries, const float* supports, float radius,
             int64_t begin, int64_t end, float* out) {
  clear(out + begin * p.K * 3, (end - begin) * p.K * 3);
  for (int64_t i = begin; i < end; ++i)
    each_neighbour(p, i, [&](int64_t j, int64_t pair) {
      for (int64_t axis = 0; axis < 3; ++axis)
        out[3 * pair + axis] = (supports[3 * j + axis] - queries[3 * i + axis]) / radius;
    });
}

void influence(const float* offsets, const float* points, int64_t G, float extent, int64_t begin,
               int64_t end, float* out) {
  const float *x = points, *y = points + G, *z = points + 2 * G;
  for (int64_t pair = begin; pair < end; ++pair) {
    const float* offset = offsets + 3 * pair;
    float* SALANET_RESTRICT row = out + pair * G;
    for (int64_t g = 0; g < G; ++g) {
      const float dx = offset[0] - x[g], dy = offset[1] - y[g], dz = offset[2] - z[g];
      const float h = 1.0f - __builtin_sqrtf(dx * dx + dy * dy + dz * dz) / extent;
      row[g] = h > 0.0f ? h : 0.0f;
    }
  }
}

void depthwise(const Weighted& p, const float* weight, int64_t begin, int64_t end, float* out) {
  for (int64_t i = begin; i < end; ++i) {
    float* row = out + i * p.C;
    clear(row, p.C);
    each_neighbour(p, i, [&](int64_t j, int64_t pair) {
      each_score(p, pair, [&](int64_t g, float h) {
        add_product(row, weight + g * p.C, p.features + j * p.C, h, p.C);
      });
    });
  }
}

void depthwise_features(const Weighted& p, const float* weight, const Users& users,
                        const float* grad, int64_t begin, int64_t end, float* out) {
  for (int64_t j = begin; j < end; ++j) {
    float* row = out + j * p.C;
    clear(row, p.C);
    for (int64_t u = users.begin[j]; u < users.begin[j + 1]; ++u) {
      const int64_t pair = users.pairs[u];
      each_score(p, pair, [&](int64_t g, float h) {
        add_product(row, weight + g * p.C, grad + pair / p.K * p.C, h, p.C);
      });
    }
  }
}

void depthwise_weight(const Weighted& p, const float* grad, int64_t begin, int64_t end,
                      float* partial) {
  clear(partial, p.G * p.C);
  for (int64_t i = begin; i < end; ++i)
    each_neighbour(p, i, [&](int64_t j, int64_t pair) {
      each_score(p, pair, [&](int64_t g, float h) {
        add_product(partial + g * p.C, p.features + j * p.C, grad + i * p.C, h, p.C);
      });
    });
}

void grid(const Weighted& p, int64_t begin, int64_t end, float* out) {
  for (int64_t i = begin; i < end; ++i) {
    float* sums = out + i * p.G * p.C;
    clear(sums, p.G * p.C);
    each_neighbour(p, i, [&](int64_t j, int64_t pair) {
      each_score(p, pair, [&](int64_t g, float h) {
        add_scaled(sums + g * p.C, p.features + j * p.C, h, p.C);
      });
    });
  }
}

void grid_features(const Weighted& p, const Users& users, const float* grad, int64_t begin,
                   int64_t end, float* out) {
  for (int64_t j = begin; j < end; ++j) {
    float* row = out + j * p.C;
    clear(row, p.C);
    for (int64_t u = users.begin[j]; u < users.begin[j + 1]; ++u) {
      const int64_t pair = users.pairs[u];
      each_score(p, pair, [&](int64_t g, float h) {
        add_scaled(row, grad + (pair / p.K * p.G + g) * p.C, h, p.C);
      });
    }
  }
}

void grid_values(const Weighted& p, const float* grad, int64_t begin, int64_t end, float* out) {
  clear(out + begin * p.K * p.T, (end - begin) * p.K * p.T);
  for (int64_t i = begin; i < end; ++i)
    each_neighbour(p, i, [&](int64_t j, int64_t pair) {
      for (int64_t t = 0; t < p.T; ++t) {
        const int64_t g = p.groups == nullptr ? t : p.groups[pair * p.T + t];
        out[pair * p.T + t] = dot(grad + (i * p.G + g) * p.C, p.features + j * p.C, p.C);
      }
    });
}

// Updates the squared distances to the chosen points by the last one; the row of the largest, the
// first of equals.
int64_t farthest_step(const float* x, const float* y, const float* z, int64_t n, int64_t last,
                      float* SALANET_RESTRICT nearest) {
  float best[kLanes] = {};
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const int64_t e = j + lane;
      const float dx = x[e] - x[last], dy = y[e] - y[last], dz = z[e] - z[last];
      const float square = dx * dx + dy * dy + dz * dz;
      const float least = square < nearest[e] ? square : nearest[e];
      nearest[e] = least;
      best[lane] = best[lane] > least ? best[lane] : least;
    }
  float largest = 0.0f;
  for (; j < n; ++j) {
    const float dx = x[j] - x[last], dy = y[j] - y[last], dz = z[j] - z[last];
    const float square = dx * dx + dy * dy + dz * dz;
    nearest[j] = square < nearest[j] ? square : nearest[j];
    largest = largest > nearest[j] ? largest : nearest[j];
  }
  for (int64_t lane = 0; lane < kLanes; ++lane) largest = largest > best[lane] ? largest : best[lane];
  j = 0;
  while (j + 1 < n && nearest[j] != largest) ++j;
  return j;
}

}  // namespace salanet::SALANET_ISA
