// Compiled once per instruction set; see simd.h. Nothing from the standard library that would
// leave a shared (not inlined) instance behind may be used here.
#include "geometry/hits.h"

#include <utility>

namespace salanet::SALANET_ISA {
namespace {

// ---- All blocks of a cloud within reach of a box ------------------------------------------------

struct Candidates {
  Node boxes[kMaxBlocks / kWidth];
  int64_t block[kMaxBlocks];
  int count = 0;

  void find(const Point& q, const PointIndex& index, Floats limit, Hits& hits) const {
    int found = 0;
    for (int first = 0; first < count; first += kWidth) {
      uint32_t near = less(box_distances(q, q, boxes[first / kWidth]), limit);
      if (count - first < kWidth) near &= (1u << (count - first)) - 1;
      for (; near != 0; near &= near - 1) {
        const int64_t number = block[first + std::countr_zero(near)];
        found = hits.add(q, index.blocks[static_cast<size_t>(number)], limit, found);
      }
    }
    hits.count = found;
  }

  // The visitor's bound only falls, so a block is looked at again before it is visited.
  template <typename Visitor>
  void find(const Point& q, const PointIndex& index, Visitor& visitor) const {
    for (int first = 0; first < count; first += kWidth) {
      const Floats distances = box_distances(q, q, boxes[first / kWidth]);
      const uint32_t all = count - first < kWidth ? (1u << (count - first)) - 1 : 0xffff;
      uint32_t left = all;
      while ((left &= less_equal(distances, Floats::all(visitor.distance))) != 0) {
        const int64_t number = block[first + std::countr_zero(left)];
        visitor.visit(q, index.blocks[static_cast<size_t>(number)]);
        left &= left - 1;
      }
    }
  }
};

class Collector {
 public:
  Collector(const PointIndex& index, const Cloud& cloud, Candidates& found)
      : index_(index), cloud_(cloud), found_(found) {}

  // The blocks at most `limit` (squared) away. False if there are more than fit.
  bool collect(const Point& low, const Point& high, Floats limit) {
    found_.count = 0;
    limit_ = limit;
    const int root = static_cast<int>(cloud_.levels.size()) - 1;
    return root < 0 || descend(root, 0, low, high);
  }

 private:
  bool descend(int depth, int64_t number, const Point& low, const Point& high) {
    const Level& level = cloud_.levels[static_cast<size_t>(depth)];
    const Node& node = index_.nodes[static_cast<size_t>(level.begin + number)];
    uint32_t near =
        less_equal(box_distances(low, high, node), limit_) & children_mask(level, number);
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
  const Block* block = nullptr;  // where the nearest point is
  int lane = 0;

  // Another query, of the same cloud: the last answer is the first bound.
  void restart(const Point& q) {
    if (block == nullptr) return;
    float lanes[kWidth];
    block_distances(q, *block).store(lanes);
    distance = lanes[lane];
  }

  void visit(const Point& q, const Block& candidate) {
    const Floats distances = block_distances(q, candidate);
    uint32_t near = less_equal(distances, Floats::all(distance));
    if (near == 0) return;
    float lanes[kWidth];
    distances.store(lanes);
    for (; near != 0; near &= near - 1) {
      const int other = std::countr_zero(near);
      if (lanes[other] > distance || (lanes[other] == distance && candidate.id[other] >= row))
        continue;
      distance = lanes[other];
      row = candidate.id[other];
      block = &candidate;
      lane = other;
    }
  }
};

// The k nearest within the radius, when candidates are many: the bound shrinks to the k-th.
class NearestMany {
 public:
  NearestMany(float limit, int64_t k) : limit_(limit), k_(k), size_(2 * k + 4 * kWidth) {}
  ~NearestMany() { delete[] hits_; }
  NearestMany(const NearestMany&) = delete;
  NearestMany& operator=(const NearestMany&) = delete;

  float distance;
  int32_t row;

  void start() {
    if (hits_ == nullptr) hits_ = new uint64_t[static_cast<size_t>(size_)];
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
      hits_[count_++] = pack_hit(lanes[lane], block.id[lane]);
    }
    if (count_ + kWidth > size_) shrink();
  }

  int64_t finish(int32_t* out) {
    shrink();
    for (int64_t i = 0; i < count_; ++i) out[i] = static_cast<int32_t>(hits_[i]);
    return count_;
  }

 private:
  void shrink() {
    lowest_hits(hits_, count_, k_);
    if (count_ < k_) return;
    count_ = k_;
    distance = std::bit_cast<float>(static_cast<uint32_t>(hits_[k_ - 1] >> 32));
    row = static_cast<int32_t>(hits_[k_ - 1]);
  }

  float limit_;
  int64_t k_, size_, count_ = 0;
  uint64_t* hits_ = nullptr;
};

void prefetch_for_writing([[maybe_unused]] const int32_t* row, [[maybe_unused]] int64_t k) {
#if defined(__GNUC__)
  for (int64_t i = 0; i < k && i < 64; i += 16) __builtin_prefetch(row + i, 1);
#endif
}

// The largest distance of a query of the block from `to`.
float farthest(const Point& to, const Block& block) {
  float lanes[kWidth], largest = 0;
  block_distances(to, block).store(lanes);
  for (int lane = 0; lane < kWidth; ++lane)
    if (block.id[lane] >= 0 && lanes[lane] > largest) largest = lanes[lane];
  return largest;
}

struct Corners {
  Point low, high;
};

// Of the box around a query block.
Corners corners(const PointIndex& index, const Cloud& cloud, int64_t block) {
  const int64_t child = block - cloud.first_block;
  const Node& node = index.nodes[static_cast<size_t>(cloud.levels[0].begin + child / kWidth)];
  const auto corner = [lane = child % kWidth](const float(&side)[3][kWidth]) {
    return Point{Floats::all(side[0][lane]), Floats::all(side[1][lane]),
                 Floats::all(side[2][lane])};
  };
  return {corner(node.low), corner(node.high)};
}

}  // namespace

void radius_blocks(const RadiusTask& task, const Cloud& queries, const Cloud& supports,
                   int64_t begin, int64_t end) {
  const PointIndex& index = *task.supports;
  const float radius_squared = task.radius * task.radius;
  const Floats limit = Floats::all(radius_squared);
  const auto missing = static_cast<int32_t>(index.count);
  Candidates candidates;
  Collector collector(index, supports, candidates);
  NearestMany crowd(radius_squared, task.k < index.count ? task.k : index.count);
  // The hits of a query are ranked when the next one's have been found: by then they have left the
  // store buffer, which cannot forward stores that overlap.
  Hits buffers[2];
  Hits *hits = &buffers[0], *previous = &buffers[1];
  for (int64_t b = begin; b < end; ++b) {
    const Block& block = task.queries->blocks[static_cast<size_t>(b)];
    const auto [low, high] = corners(*task.queries, queries, b);
    const bool shared = collector.collect(low, high, limit);
    for (int lane = 0; lane < kWidth && block.id[lane] >= 0; ++lane) {
      const Point q = point_of(block, lane);
      int32_t* out = task.out + int64_t{block.id[lane]} * task.k;
      if (!shared && !collector.collect(q, q, limit)) {
        crowd.start();
        visit_nearest(index, supports, static_cast<int>(supports.levels.size()) - 1, 0, q, crowd);
        for (int64_t i = crowd.finish(out); i < task.k; ++i) out[i] = missing;
        continue;
      }
      prefetch_for_writing(out, task.k);
      hits->out = out;
      candidates.find(q, index, limit, *hits);
      if (previous->out != nullptr) write_nearest(*previous, task.k, missing);
      std::swap(hits, previous);
    }
  }
  if (previous->out != nullptr) write_nearest(*previous, task.k, missing);
}

void nearest_blocks(const NearestTask& task, const Cloud& queries, const Cloud& supports,
                    int64_t begin, int64_t end) {
  const PointIndex& index = *task.supports;
  const int root = static_cast<int>(supports.levels.size()) - 1;
  Candidates candidates;
  Collector collector(index, supports, candidates);
  NearestOne nearest;
  for (int64_t b = begin; b < end; ++b) {
    const Block& block = task.queries->blocks[static_cast<size_t>(b)];
    // The answer to the block's first query bounds the distance of all its queries.
    Point q = point_of(block, 0);
    nearest.restart(q);
    visit_nearest(index, supports, root, 0, q, nearest);
    task.out[block.id[0]] = nearest.row;
    const auto [low, high] = corners(*task.queries, queries, b);
    const float limit = farthest(point_of(*nearest.block, nearest.lane), block);
    const bool shared = collector.collect(low, high, Floats::all(limit));
    for (int lane = 1; lane < kWidth && block.id[lane] >= 0; ++lane) {
      q = point_of(block, lane);
      nearest.restart(q);
      if (shared)
        candidates.find(q, index, nearest);
      else
        visit_nearest(index, supports, root, 0, q, nearest);
      task.out[block.id[lane]] = nearest.row;
    }
  }
}

}  // namespace salanet::SALANET_ISA
