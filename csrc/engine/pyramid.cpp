#include "engine/pyramid.h"

#include <cmath>
#include <string>

#include "common/release.h"
#include "geometry/grid.h"
#include "geometry/point_index.h"
#include "geometry/search.h"

namespace salanet {

void PyramidLevel::place(const float* given, int64_t size) {
  points = given, count = size;
  double sums[3] = {};
  for (int64_t i = 0; i < size; ++i)
    for (int axis = 0; axis < 3; ++axis) sums[axis] += given[3 * i + axis];
  for (int axis = 0; axis < 3; ++axis)
    middle[axis] = static_cast<float>(sums[axis] / static_cast<double>(size));
}

Pyramid Pyramid::build(const float* points, int64_t count, const PyramidOptions& options,
                       int threads) {
  const auto index_of = [threads](const PyramidLevel& level) {
    const int64_t splits[2] = {0, level.count};
    return std::make_unique<PointIndex>(level.points, level.count, splits, 1, "points", threads);
  };
  Pyramid pyramid;
  pyramid.levels[0].place(points, count);
  std::unique_ptr<PointIndex> index = index_of(pyramid.levels[0]);
  for (size_t depth = 0; depth < kLevels; ++depth) {
    PyramidLevel& level = pyramid.levels[depth];
    const auto reach = static_cast<float>(std::ldexp(options.radius, static_cast<int>(depth)));
    level.k = options.neighbours[depth];
    level.neighbours = Table(level.count * level.k);
    radius_search(*index, *index, reach, level.k, level.neighbours.own(), threads);
    if (depth + 1 == kLevels) break;

    const int64_t splits[2] = {0, level.count};
    const double cell = std::ldexp(options.grid, static_cast<int>(depth) + 1);
    const Grid grid(level.points, level.count, cell, splits, 1, threads);
    PyramidLevel& coarser = pyramid.levels[depth + 1];
    coarser.memory = std::make_unique<Uninitialised<float>>(3 * grid.count());
    grid.mean(level.points, 3, coarser.memory->get(), threads);
    coarser.place(coarser.memory->get(), grid.count());

    std::unique_ptr<PointIndex> coarse = index_of(coarser);
    level.pool = Table(coarser.count * level.k);
    radius_search(*coarse, *index, reach, level.k, level.pool.own(), threads);
    level.upsample = Table(level.count);
    nearest(*index, *coarse, level.upsample.own(), threads);
    index = std::move(coarse);
  }
  index.reset();
  if (count > kLarge) release_free_memory();  // of the indices; the network's run takes its place
  return pyramid;
}

}  // namespace salanet
