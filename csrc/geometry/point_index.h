// Points in an order that keeps neighbours together, in blocks of 16 under a tree of boxes.
//
// The order is that of a Hilbert curve through each cloud's bounding box; where many points fall
// into one cell of the curve (far outliers, clouds of mixed density) that cell gets a curve of its
// own. Only speed depends on the order: every box is exact, so every search is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace salanet {

constexpr int kWidth = 16;

struct alignas(64) Block {
  float x[kWidth], y[kWidth], z[kWidth];  // NaN where the cloud has run out of points
  int32_t id[kWidth];                     // the row of the point, -1 where there is none
};

// The boxes of up to 16 children: blocks at level 0, nodes of the level below at others.
struct alignas(64) Node {
  float low[3][kWidth], high[3][kWidth];
  int32_t first[kWidth];  // the lowest row among the child's points
};

struct Level {
  int64_t begin;     // of this cloud's nodes of the level, in `nodes`
  int64_t children;  // how many of this cloud, over all nodes of the level
};

struct Cloud {
  int64_t begin, end;              // rows of the points
  int64_t first_block, end_block;
  std::vector<Level> levels;       // the last one has a single node; none if there are no points
};

struct PointIndex {
  PointIndex(const float* points, int64_t count, const int64_t* splits, int64_t clouds,
             const std::string& name, int threads);

  int64_t count;
  std::vector<Cloud> clouds;
  std::vector<Block> blocks;
  std::vector<Node> nodes;
};

}  // namespace salanet
