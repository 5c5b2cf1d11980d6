// A query's hits and the k nearest of them; distances of points and boxes. Compiled once per
// instruction set, as simd.h.
//
// A box's distance is computed like a point's, from the nearest coordinates of the box. Rounding
// is monotone, so it is never above that of a point inside: pruning is exact without tolerances.
#pragma once

#include <bit>
#include <cstring>
#include <limits>

#include "geometry/search.h"
#include "geometry/simd.h"

namespace salanet::SALANET_ISA {
namespace {

constexpr int kMaxBlocks = 64;  // candidates of one query block; more are searched query by query
constexpr int kMaxRanked = 192;  // hits sorted by counting
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Point {
  Floats x, y, z;
};

inline Floats squared(Floats dx, Floats dy, Floats dz) { return dx * dx + dy * dy + dz * dz; }

inline Floats block_distances(const Point& q, const Block& block) {
  return squared(Floats::load(block.x) - q.x, Floats::load(block.y) - q.y,
                 Floats::load(block.z) - q.z);
}

inline Floats gap(Floats low, Floats high, Floats from, Floats to) {
  return max(max(low - to, from - high), Floats::all(0.0f));
}

// Lower bounds of the distances between a box (low, high) and the node's children.
inline Floats box_distances(const Point& low, const Point& high, const Node& node) {
  return squared(gap(Floats::load(node.low[0]), Floats::load(node.high[0]), low.x, high.x),
                 gap(Floats::load(node.low[1]), Floats::load(node.high[1]), low.y, high.y),
                 gap(Floats::load(node.low[2]), Floats::load(node.high[2]), low.z, high.z));
}

inline Point point_of(const Block& block, int lane) {
  return {Floats::all(block.x[lane]), Floats::all(block.y[lane]), Floats::all(block.z[lane])};
}

inline uint32_t children_mask(const Level& level, int64_t node) {
  const int64_t left = level.children - node * kWidth;
  return left >= kWidth ? 0xffffu : (1u << left) - 1;
}

struct Hits {
  float distance[(kMaxBlocks + 1) * kWidth];
  int32_t row[(kMaxBlocks + 1) * kWidth];
  int count;
  int32_t* out = nullptr;  // where the k nearest go

  // Appends behind the first `at` hits and returns how many there are then.
  int add(const Point& q, const Block& block, Floats limit, int at) {
    const Floats distances = block_distances(q, block);
    const uint32_t near = less(distances, limit);
    pack(distances, near, distance + at);
    pack(Ints::load(block.id), near, row + at);
    return at + std::popcount(near);
  }
};

// rank[i] = how many hits come before hit i, for `vectors` sixteens of hits from `first` on.
// Without `ties`, hits equally far get the same rank.
template <bool ties, int vectors>
void rank_hits(const Hits& hits, int first, int32_t* rank) {
  Floats distance[vectors];
  Ints row[vectors], before[vectors];
  for (int v = 0; v < vectors; ++v) {
    distance[v] = Floats::load(hits.distance + first + v * kWidth);
    row[v] = Ints::load(hits.row + first + v * kWidth);
    before[v] = Ints::all(0);
  }
  for (int j = 0; j < hits.count; ++j) {
    const Floats other = Floats::all(hits.distance[j]);
    for (int v = 0; v < vectors; ++v)
      before[v] = ties ? count_less(before[v], other, Ints::all(hits.row[j]), distance[v], row[v])
                       : count_less(before[v], other, distance[v]);
  }
  for (int v = 0; v < vectors; ++v) before[v].store(rank + first + v * kWidth);
}

template <bool ties>
void rank_hits(const Hits& hits, int32_t* rank) {
  int first = 0;
  for (; hits.count - first > 2 * kWidth; first += 3 * kWidth)
    rank_hits<ties, 3>(hits, first, rank);
  if (hits.count - first > kWidth)
    rank_hits<ties, 2>(hits, first, rank);
  else if (hits.count > first)
    rank_hits<ties, 1>(hits, first, rank);
}

// Puts each hit where its rank says; false if two had the same rank.
bool place_hits(const Hits& hits, const int32_t* rank, int32_t* sorted) {
  const int64_t count = hits.count;
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) {
    total += rank[i];
    sorted[rank[i]] = hits.row[i];
  }
  return total == count * (count - 1) / 2;
}

void write_nearest(const Hits& hits, int64_t k, int32_t missing) {
  if (hits.count > kMaxRanked) {
    uint64_t packed[(kMaxBlocks + 1) * kWidth];
    for (int i = 0; i < hits.count; ++i) packed[i] = pack_hit(hits.distance[i], hits.row[i]);
    lowest_hits(packed, hits.count, k);
    for (int i = 0; i < hits.count && i < k; ++i) hits.out[i] = static_cast<int32_t>(packed[i]);
  } else {
    int32_t rank[kMaxRanked + 3 * kWidth], all[kMaxRanked];
    int32_t* sorted = hits.count <= k ? hits.out : all;
    rank_hits<false>(hits, rank);
    if (!place_hits(hits, rank, sorted)) {
      rank_hits<true>(hits, rank);
      place_hits(hits, rank, sorted);
    }
    if (hits.count > k) std::memcpy(hits.out, all, static_cast<size_t>(k) * sizeof(int32_t));
  }
  for (int64_t i = hits.count; i < k; ++i) hits.out[i] = missing;
}

}  // namespace
}  // namespace salanet::SALANET_ISA
