// Cutting a cloud too large for one pass into overlapping tiles; see salanet.sampling.boxes.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace salanet {

struct Tile {
  std::vector<int32_t> rows;  // of the points it sees, ascending
  std::vector<bool> core;     // which of them it answers for
};

// Visits tiles of at most `limit` points wherever the halo, how far they see beyond their cores,
// allows it. Every point is core in exactly one.
void each_tile(const float* points, int64_t count, int64_t limit, float halo,
               const std::function<void(const Tile&)>& visit);

}  // namespace salanet
