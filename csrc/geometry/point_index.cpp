#include "geometry/point_index.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "common/parallel.h"
#include "common/data_error.h"
#include "geometry/hilbert.h"
#include "geometry/radix.h"
#include "geometry/uninitialised.h"

namespace salanet {
namespace {

constexpr int64_t kLarge = 1 << 16;      // clouds above this are sorted by all threads together
constexpr int64_t kGrain = 1 << 12;      // points per piece of work
constexpr int64_t kLightGrain = 1 << 15;  // where a point costs a nanosecond
constexpr int64_t kCrowd = 4 * kWidth;   // a cell of the curve with more points is refined

struct Box {
  float low[3], high[3];

  static Box none() {
    constexpr float inf = std::numeric_limits<float>::infinity();
    return {{inf, inf, inf}, {-inf, -inf, -inf}};
  }
  void add(const Box& other) {
    for (int axis = 0; axis < 3; ++axis) {
      low[axis] = std::min(low[axis], other.low[axis]);
      high[axis] = std::max(high[axis], other.high[axis]);
    }
  }
};

Box bounds(const float* points, const int32_t* rows, int64_t count, int threads) {
  std::vector<Box> parts(static_cast<size_t>((count + kLightGrain - 1) / kLightGrain));
  parallel_for(count, kLightGrain, threads, [&](int64_t begin, int64_t end, int64_t part) {
    Box box = Box::none();
    for (int64_t i = begin; i < end; ++i) {
      for (int axis = 0; axis < 3; ++axis) {
        const float value = points[3 * int64_t{rows[i]} + axis];
        box.low[axis] = std::min(box.low[axis], value);
        box.high[axis] = std::max(box.high[axis], value);
      }
    }
    parts[static_cast<size_t>(part)] = box;
  });
  Box box = Box::none();
  for (const Box& part : parts) box.add(part);
  return box;
}

// Sorts rows, ascending on entry, along the curve; rows of one cell stay ascending.
void sort_along_curve(const float* points, int32_t* rows, int64_t count, int threads) {
  const Box box = bounds(points, rows, count, threads);
  double extent = 0;
  for (int axis = 0; axis < 3; ++axis)
    extent = std::max(extent, double{box.high[axis]} - double{box.low[axis]});
  if (extent == 0) return;

  // On a surface about sqrt(count) cells per axis hold one point each; four times that is plenty.
  const int index_bits = bits_for(static_cast<uint64_t>(count - 1));
  const int axis_bits = std::min({index_bits / 2 + 2, (64 - index_bits) / 3, 20}) & ~1;
  const double scale = std::ldexp(1.0, axis_bits) / extent;
  const auto last = static_cast<int64_t>((uint64_t{1} << axis_bits) - 1);

  const Uninitialised<uint64_t> items(count), scratch(count);
  parallel_for(count, kGrain, threads, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t i = begin; i < end; ++i) {
      const float* point = points + 3 * int64_t{rows[i]};
      const auto cell = [&](int axis) {
        const double place = (double{point[axis]} - double{box.low[axis]}) * scale;
        return static_cast<uint64_t>(std::min(static_cast<int64_t>(place), last));
      };
      const uint64_t key = hilbert_key(cell(0), cell(1), cell(2), axis_bits);
      items[i] = key << index_bits | static_cast<uint64_t>(i);
    }
  });
  radix_sort(items.get(), scratch.get(), count, index_bits, index_bits + 3 * axis_bits, threads);

  const std::vector<int32_t> before(rows, rows + count);
  const uint64_t index_mask = (uint64_t{1} << index_bits) - 1;
  parallel_for(count, kLightGrain, threads, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t i = begin; i < end; ++i)
      rows[i] = before[items[i] & index_mask];
  });
  for (int64_t begin = 0, end; begin < count; begin = end) {
    const uint64_t key = items[begin] >> index_bits;
    for (end = begin + 1; end < count && items[end] >> index_bits == key;)
      ++end;
    if (end - begin > kCrowd) sort_along_curve(points, rows + begin, end - begin, threads);
  }
}

void fill_block(const float* points, const int32_t* rows, int64_t count, Block& block) {
  for (int lane = 0; lane < kWidth; ++lane) {
    const bool real = lane < count;
    const float* point = points + 3 * int64_t{rows[real ? lane : 0]};
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    block.x[lane] = real ? point[0] : nan;
    block.y[lane] = real ? point[1] : nan;
    block.z[lane] = real ? point[2] : nan;
    block.id[lane] = real ? rows[lane] : -1;
  }
}

void set_child(Node& node, int lane, const Box& box, int32_t first) {
  for (int axis = 0; axis < 3; ++axis) {
    node.low[axis][lane] = box.low[axis];
    node.high[axis][lane] = box.high[axis];
  }
  node.first[lane] = first;
}

void box_block(const Block& block, Node& node, int lane) {
  Box box = Box::none();
  int32_t first = std::numeric_limits<int32_t>::max();
  for (int i = 0; i < kWidth && block.id[i] >= 0; ++i) {
    const float point[3] = {block.x[i], block.y[i], block.z[i]};
    for (int axis = 0; axis < 3; ++axis) {
      box.low[axis] = std::min(box.low[axis], point[axis]);
      box.high[axis] = std::max(box.high[axis], point[axis]);
    }
    first = std::min(first, block.id[i]);
  }
  set_child(node, lane, box, first);
}

void box_node(const Node& child, int64_t children, Node& node, int lane) {
  Box box = Box::none();
  int32_t first = std::numeric_limits<int32_t>::max();
  for (int i = 0; i < children; ++i) {
    for (int axis = 0; axis < 3; ++axis) {
      box.low[axis] = std::min(box.low[axis], child.low[axis][i]);
      box.high[axis] = std::max(box.high[axis], child.high[axis][i]);
    }
    first = std::min(first, child.first[i]);
  }
  set_child(node, lane, box, first);
}

int64_t sixteenths(int64_t count) { return (count + kWidth - 1) / kWidth; }

void require_finite(const float* points, int64_t count, const std::string& name, int threads) {
  std::atomic<int64_t> worst{count};
  parallel_for(count, kLightGrain, threads, [&](int64_t begin, int64_t end, int64_t) {
    uint32_t largest = 0;
    for (int64_t i = 3 * begin; i < 3 * end; ++i)
      largest = std::max(largest, std::bit_cast<uint32_t>(points[i]) & 0x7fffffffu);
    if (largest < 0x7f800000u) return;
    int64_t bad = begin;
    while (std::isfinite(points[3 * bad]) && std::isfinite(points[3 * bad + 1]) &&
           std::isfinite(points[3 * bad + 2]))
      ++bad;
    int64_t known = worst.load();
    while (bad < known && !worst.compare_exchange_weak(known, bad)) {
    }
  });
  if (worst < count)
    throw DataError("point " + std::to_string(worst.load()) + " of " + name +
                    " has a NaN or infinite coordinate");
}

}  // namespace

PointIndex::PointIndex(const float* points, int64_t count, const int64_t* splits,
                       int64_t cloud_count, const std::string& name, int threads)
    : count(count), clouds(static_cast<size_t>(cloud_count)) {
  require_finite(points, count, name, threads);

  int64_t block_count = 0, node_count = 0;
  for (size_t i = 0; i < clouds.size(); ++i) {
    Cloud& cloud = clouds[i];
    cloud.begin = splits[i];
    cloud.end = splits[i + 1];
    cloud.first_block = block_count;
    block_count += sixteenths(cloud.end - cloud.begin);
    cloud.end_block = block_count;
    for (int64_t children = cloud.end_block - cloud.first_block; children > 0;) {
      cloud.levels.push_back({node_count, children});
      children = sixteenths(children);
      node_count += children;
      if (children == 1) break;
    }
  }
  blocks.resize(static_cast<size_t>(block_count));
  nodes.resize(static_cast<size_t>(node_count));

  std::vector<int32_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  const auto build = [&](const Cloud& cloud, int workers) {
    sort_along_curve(points, rows.data() + cloud.begin, cloud.end - cloud.begin, workers);
    const int64_t leaves = cloud.end_block - cloud.first_block;
    parallel_for(sixteenths(leaves), 32, workers, [&](int64_t begin, int64_t end, int64_t) {
      for (int64_t i = kWidth * begin; i < std::min(kWidth * end, leaves); ++i) {
        Block& block = blocks[static_cast<size_t>(cloud.first_block + i)];
        const int64_t row = cloud.begin + i * kWidth;
        fill_block(points, rows.data() + row, cloud.end - row, block);
        Node& node = nodes[static_cast<size_t>(cloud.levels[0].begin + i / kWidth)];
        box_block(block, node, static_cast<int>(i % kWidth));
      }
    });
    for (size_t level = 1; level < cloud.levels.size(); ++level) {
      const Level& below = cloud.levels[level - 1];
      const Level& here = cloud.levels[level];
      for (int64_t i = 0; i < here.children; ++i) {
        const int64_t grandchildren = std::min<int64_t>(kWidth, below.children - i * kWidth);
        box_node(nodes[static_cast<size_t>(below.begin + i)], grandchildren,
                 nodes[static_cast<size_t>(here.begin + i / kWidth)],
                 static_cast<int>(i % kWidth));
      }
    }
  };
  const auto large = [&](const Cloud& cloud) {
    return cloud_count == 1 || cloud.end - cloud.begin > kLarge;
  };
  for (const Cloud& cloud : clouds)
    if (cloud.end > cloud.begin && large(cloud)) build(cloud, threads);
  parallel_for(cloud_count, 1, threads, [&](int64_t i, int64_t, int64_t) {
    const Cloud& cloud = clouds[static_cast<size_t>(i)];
    if (cloud.end > cloud.begin && !large(cloud)) build(cloud, 1);
  });
}

}  // namespace salanet
