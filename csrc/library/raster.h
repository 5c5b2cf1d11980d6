// Filters of rasters of heights; see salanet.sampling.raster and salanet.sampling.bare_earth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace salanet {

template <typename T>
struct RasterOf {
  int64_t rows = 0, columns = 0;
  std::vector<T> values;

  RasterOf() = default;
  RasterOf(int64_t rows_, int64_t columns_, T value)
      : rows(rows_), columns(columns_), values(static_cast<size_t>(rows_ * columns_), value) {}
  int64_t size() const { return rows * columns; }
  T& operator[](int64_t cell) { return values[static_cast<size_t>(cell)]; }
  const T& operator[](int64_t cell) const { return values[static_cast<size_t>(cell)]; }
};

using Raster = RasterOf<double>;
using Mask = RasterOf<uint8_t>;

bool any(const Mask& mask);
bool all(const Mask& mask);

// The least or greatest height in the square of `size` (odd) cells around each cell.
Raster least_around(const Raster& heights, int64_t size);
Raster greatest_around(const Raster& heights, int64_t size);

// The opening by an octagon: a square, then a diamond.
Raster opening(const Raster& heights, int64_t radius);

// Values where known, elsewhere that of the nearest known cell.
Raster nearest_fill(const Raster& values, const Mask& known, int threads);

// Values where known, elsewhere a smooth fill: each gap takes the mean one scale coarser.
Raster smooth_fill(const Raster& values, const Mask& known);

// Cells that hold a return from far below the ground.
Mask strays(const Raster& lowest);

// The height at a place, bilinear between the centres of cells.
double at(const Raster& heights, double u, double v);

// The known cells that hold ground; all of them if none does. Lengths are in metres.
Mask bare(const Raster& lowest, const Mask& known, double cell, double window, bool rocks,
          int threads);

}  // namespace salanet
