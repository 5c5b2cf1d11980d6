#include "library/tiles.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace salanet {
namespace {

// The longest side of the box around a tile's core.
std::pair<int, float> longest_side(const float* points, const Tile& tile) {
  constexpr float kNone = std::numeric_limits<float>::infinity();
  float low[3] = {kNone, kNone, kNone}, high[3] = {-kNone, -kNone, -kNone};
  for (size_t i = 0; i < tile.rows.size(); ++i) {
    if (!tile.core[i]) continue;
    for (int axis = 0; axis < 3; ++axis) {
      low[axis] = std::min(low[axis], points[3 * int64_t{tile.rows[i]} + axis]);
      high[axis] = std::max(high[axis], points[3 * int64_t{tile.rows[i]} + axis]);
    }
  }
  int longest = 0;
  for (int axis = 1; axis < 3; ++axis)
    if (high[axis] - low[axis] > high[longest] - low[longest]) longest = axis;
  return {longest, high[longest] - low[longest]};
}

}  // namespace

void each_tile(const float* points, int64_t count, int64_t limit, float halo,
               const std::function<void(const Tile&)>& visit) {
  std::vector<Tile> stack(1);
  for (int64_t i = 0; i < count; ++i) stack[0].rows.push_back(static_cast<int32_t>(i));
  stack[0].core.assign(static_cast<size_t>(count), true);
  while (!stack.empty()) {
    const Tile tile = std::move(stack.back());
    stack.pop_back();
    const auto [axis, width] = longest_side(points, tile);
    if (static_cast<int64_t>(tile.rows.size()) <= limit || !(width > halo)) {
      visit(tile);
      continue;
    }
    const auto position = [&, axis = axis](size_t i) {
      return points[3 * int64_t{tile.rows[i]} + axis];
    };
    std::vector<float> along;
    for (size_t i = 0; i < tile.rows.size(); ++i)
      if (tile.core[i]) along.push_back(position(i));
    const auto middle = along.begin() + static_cast<std::ptrdiff_t>((along.size() - 1) / 2);
    std::nth_element(along.begin(), middle, along.end());
    const float cut = *middle;
    // The median is a point's own coordinate; `<` leaves points on both sides unless it is the
    // lowest.
    const bool below = *std::min_element(along.begin(), along.end()) < cut;
    const auto left = [&](float x) { return below ? x < cut : x <= cut; };
    for (const bool second : {true, false}) {
      Tile side;
      for (size_t i = 0; i < tile.rows.size(); ++i) {
        const float x = position(i);
        if (second ? x < cut - halo : x > cut + halo) continue;
        side.rows.push_back(tile.rows[i]);
        side.core.push_back(tile.core[i] && left(x) != second);
      }
      stack.push_back(std::move(side));
    }
  }
}

}  // namespace salanet
