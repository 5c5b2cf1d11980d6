// Compiled once per instruction set; see simd.h. Nothing from the standard library that would
// leave a shared (not inlined) instance behind may be used here.
//
// A box's distance is computed like a point's, from the nearest coordinates of the box. Rounding
// is monotone, so it is never above that of a point inside: pruning is exact without tolerances.
#include "geometry/search.h"

#include <bit>
#include <cstring>
#include <limits>

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

// ---- All blocks of a cloud within reach of a box ------------------------------------------------

struct Candidates {
  Node boxes[kMaxBlocks / kWidth];
  int64_t block[kMaxBlocks];
  int count = 0;
};

class Collector {
 public:
  Collector(const PointIndex& index, const Cloud& cloud, float limit, Candidates& found)
      : index_(index), cloud_(cloud), limit_(Floats::all(limit)), found_(found) {}

  // False if there are more than fit.
  bool collect(const Point& low, const Point& high) {
    found_.count = 0;
    return descend(static_cast<int>(cloud_.levels.size()) - 1, 0, low, high);
  }

 private:
  bool descend(int depth, int64_t number, const Point& low, const Point& high) {
    const Level& level = cloud_.levels[static_cast<size_t>(depth)];
    const Node& node = index_.nodes[static_cast<size_t>(level.begin + number)];
    uint32_t near = less(box_distances(low, high, node), limit_) & children_mask(level, number);
    for (; near != 0; near &= near - 1) {
      const int lane = std::countr_zero(near);
      const int64_t child = number * kWidth + lane;
      if (depth > 0) {
        if (!descend(depth - 1, child, low, high)) return false;
      } else {
        if (found_.count == kMaxBlocks) return false;
        Node& boxes = found_.boxes[found_.count / kWidth];
        for (int axis = 0; axis < 3; ++axis) {
          boxes.low[axis][found_.count % kWidth] = node.low[axis][lane];
          boxes.high[axis][found_.count % kWidth] = node.high[axis][lane];
        }
        found_.block[found_.count++] = cloud_.first_block + child;
      }
    }
    return true;
  }

  const PointIndex& index_;
  const Cloud& cloud_;
  Floats limit_;
  Candidates& found_;
};

// ---- A query's hits, and the k nearest of them --------------------------------------------------

struct Hits {
  float distance[(kMaxBlocks + 1) * kWidth];
  int32_t row[(kMaxBlocks + 1) * kWidth];
  int count = 0;

  void add(const Point& q, const Block& block, Floats limit) {
    const Floats distances = block_distances(q, block);
    const uint32_t near = less(distances, limit);
    pack(distances, near, distance + count);
    pack(Ints::load(block.id), near, row + count);
    count += std::popcount(near);
  }
};

// rank[i] = how many hits come before hit i. Without `ties`, hits equally far get the same rank.
template <bool ties>
int64_t rank_hits(const Hits& hits, int32_t* rank) {
  int64_t total = 0;
  for (int i = 0; i < hits.count; i += kWidth) {
    const Floats distance = Floats::load(hits.distance + i);
    const Ints row = Ints::load(hits.row + i);
    Ints before = Ints::all(0);
    for (int j = 0; j < hits.count; ++j) {
      const Floats other = Floats::all(hits.distance[j]);
      before = ties ? count_less(before, other, Ints::all(hits.row[j]), distance, row)
                    : count_less(before, other, distance);
    }
    before.store(rank + i);
    for (int lane = i; lane < hits.count && lane < i + kWidth; ++lane) total += rank[lane];
  }
  return total;
}

// Writes the k nearest hits in order and returns how many there were.
int64_t write_nearest(const Hits& hits, int64_t k, int32_t* out) {
  if (hits.count > kMaxRanked) {
    uint64_t packed[(kMaxBlocks + 1) * kWidth];
    for (int i = 0; i < hits.count; ++i) packed[i] = pack_hit(hits.distance[i], hits.row[i]);
    lowest_hits(packed, hits.count, k);
    const int64_t found = hits.count < k ? hits.count : k;
    for (int64_t i = 0; i < found; ++i) out[i] = static_cast<int32_t>(packed[i]);
    return found;
  }
  int32_t rank[kMaxRanked + kWidth], sorted[kMaxRanked];
  const int64_t distinct = int64_t{hits.count} * (hits.count - 1) / 2;
  if (rank_hits<false>(hits, rank) != distinct) rank_hits<true>(hits, rank);
  for (int i = 0; i < hits.count; ++i) sorted[rank[i]] = hits.row[i];
  const int64_t found = hits.count < k ? hits.count : k;
  std::memcpy(out, sorted, static_cast<size_t>(found) * sizeof(int32_t));
  return found;
}

// ---- Nearest first, for one query ---------------------------------------------------------------

// Visits the blocks that may hold something before (visitor.distance, visitor.row), nearest boxes
// first, while the visitor lowers these bounds.
template <typename Visitor>
void visit_nearest(const PointIndex& index, const Cloud& cloud, int depth, int64_t number,
                   const Point& q, Visitor& visitor) {
  const Level& level = cloud.levels[static_cast<size_t>(depth)];
  const Node& node = index.nodes[static_cast<size_t>(level.begin + number)];
  const Floats distances = box_distances(q, q, node);
  uint32_t near =
      less_equal(distances, Floats::all(visitor.distance)) & children_mask(level, number);
  if (near == 0) return;
  float distance[kWidth];
  distances.store(distance);
  do {
    int lane = std::countr_zero(near);
    for (uint32_t rest = near & (near - 1); rest != 0; rest &= rest - 1) {
      const int other = std::countr_zero(rest);
      if (distance[other] < distance[lane]) lane = other;
    }
    near &= ~(1u << lane);
    if (distance[lane] > visitor.distance) return;
    if (distance[lane] == visitor.distance && node.first[lane] > visitor.row) continue;
    const int64_t child = number * kWidth + lane;
    if (depth > 0)
      visit_nearest(index, cloud, depth - 1, child, q, visitor);
    else
      visitor.visit(q, index.blocks[static_cast<size_t>(cloud.first_block + child)]);
  } while (near != 0);
}

struct NearestOne {
  float distance = kInfinity;
  int32_t row = std::numeric_limits<int32_t>::max();
  Point last;  // where the nearest point lies

  void visit(const Point& q, const Block& block) {
    const Floats distances = block_distances(q, block);
    uint32_t near = less_equal(distances, Floats::all(distance));
    if (near == 0) return;
    float lanes[kWidth];
    distances.store(lanes);
    for (; near != 0; near &= near - 1) {
      const int lane = std::countr_zero(near);
      if (lanes[lane] > distance || (lanes[lane] == distance && block.id[lane] >= row)) continue;
      distance = lanes[lane];
      row = block.id[lane];
      last = point_of(block, lane);
    }
  }
};

// The k nearest within the radius, when candidates are many: the bound shrinks to the k-th.
class NearestMany {
 public:
  NearestMany(float limit, int64_t k) : limit_(limit), k_(k), hits_(2 * k + 4 * kWidth) {}

  float distance;
  int32_t row;

  void start() {
    count_ = 0;
    distance = limit_;
    row = -1;  // strictly inside: nothing at the limit itself
  }

  void visit(const Point& q, const Block& block) {
    const Floats distances = block_distances(q, block);
    uint32_t near = less_equal(distances, Floats::all(distance));
    if (near == 0) return;
    float lanes[kWidth];
    distances.store(lanes);
    for (; near != 0; near &= near - 1) {
      const int lane = std::countr_zero(near);
      if (lanes[lane] == distance && block.id[lane] > row) continue;
      hits_.data[count_++] = pack_hit(lanes[lane], block.id[lane]);
    }
    if (count_ + kWidth > hits_.size) shrink();
  }

  int64_t finish(int32_t* out) {
    shrink();
    for (int64_t i = 0; i < count_; ++i) out[i] = static_cast<int32_t>(hits_.data[i]);
    return count_;
  }

 private:
  void shrink() {
    lowest_hits(hits_.data, count_, k_);
    if (count_ < k_) return;
    count_ = k_;
    distance = std::bit_cast<float>(static_cast<uint32_t>(hits_.data[k_ - 1] >> 32));
    row = static_cast<int32_t>(hits_.data[k_ - 1]);
  }

  struct Buffer {
    explicit Buffer(int64_t n) : size(n), data(new uint64_t[static_cast<size_t>(n)]) {}
    ~Buffer() { delete[] data; }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    int64_t size;
    uint64_t* data;
  };

  float limit_;
  int64_t k_, count_ = 0;
  Buffer hits_;
};

const Node& node_above(const PointIndex& index, const Cloud& cloud, int64_t block) {
  const int64_t node = (block - cloud.first_block) / kWidth;
  return index.nodes[static_cast<size_t>(cloud.levels[0].begin + node)];
}

}  // namespace

void radius_blocks(const RadiusTask& task, const Cloud& queries, const Cloud& supports,
                   int64_t begin, int64_t end) {
  const PointIndex& index = *task.supports;
  const float limit = task.radius * task.radius;
  const auto missing = static_cast<int32_t>(index.count);
  const auto row_of = [&](const Block& block, int lane) {
    return task.out + int64_t{block.id[lane]} * task.k;
  };
  Candidates candidates;
  Collector collector(index, supports, limit, candidates);
  Hits hits;
  for (int64_t b = begin; b < end; ++b) {
    const Block& block = task.queries->blocks[static_cast<size_t>(b)];
    const Node& boxes = node_above(*task.queries, queries, b);
    const int at = static_cast<int>((b - queries.first_block) % kWidth);
    const auto corner = [at](const float(&side)[3][kWidth]) {
      return Point{Floats::all(side[0][at]), Floats::all(side[1][at]), Floats::all(side[2][at])};
    };
    bool few = true;
    candidates.count = 0;
    if (!supports.levels.empty()) few = collector.collect(corner(boxes.low), corner(boxes.high));
    if (few) {
      for (int lane = 0; lane < kWidth && block.id[lane] >= 0; ++lane) {
        const Point q = point_of(block, lane);
        hits.count = 0;
        for (int first = 0; first < candidates.count; first += kWidth) {
          const Floats distances = box_distances(q, q, candidates.boxes[first / kWidth]);
          const int left = candidates.count - first;
          uint32_t near = less(distances, Floats::all(limit));
          if (left < kWidth) near &= (1u << left) - 1;
          for (; near != 0; near &= near - 1) {
            const int64_t c = candidates.block[first + std::countr_zero(near)];
            hits.add(q, index.blocks[static_cast<size_t>(c)], Floats::all(limit));
          }
        }
        int32_t* out = row_of(block, lane);
        for (int64_t i = write_nearest(hits, task.k, out); i < task.k; ++i) out[i] = missing;
      }
    } else {
      NearestMany nearest(limit, task.k < index.count ? task.k : index.count);
      for (int lane = 0; lane < kWidth && block.id[lane] >= 0; ++lane) {
        nearest.start();
        visit_nearest(index, supports, static_cast<int>(supports.levels.size()) - 1, 0,
                      point_of(block, lane), nearest);
        int32_t* out = row_of(block, lane);
        for (int64_t i = nearest.finish(out); i < task.k; ++i) out[i] = missing;
      }
    }
  }
}

void nearest_blocks(const NearestTask& task, const Cloud&, const Cloud& supports, int64_t begin,
                    int64_t end) {
  const PointIndex& index = *task.supports;
  const int root = static_cast<int>(supports.levels.size()) - 1;
  NearestOne nearest;
  for (int64_t b = begin; b < end; ++b) {
    const Block& block = task.queries->blocks[static_cast<size_t>(b)];
    for (int lane = 0; lane < kWidth && block.id[lane] >= 0; ++lane) {
      const Point q = point_of(block, lane);
      if (nearest.row != std::numeric_limits<int32_t>::max()) {  // start from the last answer
        float distances[kWidth];
        squared(nearest.last.x - q.x, nearest.last.y - q.y, nearest.last.z - q.z).store(distances);
        nearest.distance = distances[0];
      }
      visit_nearest(index, supports, root, 0, q, nearest);
      task.out[block.id[lane]] = nearest.row;
    }
  }
}

}  // namespace salanet::SALANET_ISA
