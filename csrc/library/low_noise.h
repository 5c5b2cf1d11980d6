// Low noise that nobody flagged; see salanet.sampling.lownoise.
#pragma once

#include <cstdint>
#include <vector>

#include "library/raster.h"

namespace salanet {

class LowNoise {
 public:
  // Suspect cells of a raster of lowest points, `known` of which hold points, `points` in all.
  LowNoise(const Raster& lowest, const Mask& known, int64_t points);

  // Look at a point: its cell, its height, and that above the plane.
  void add(int64_t cell, double z, double above);

  // Give cells of low noise their next point, in a raster of lowest points above the plane, where
  // that makes a smooth surface with the cells around, and everywhere if it mostly does; returns
  // which cells those are.
  std::vector<int64_t> replace(Raster& lowest) const;

 private:
  int64_t rows_, columns_;
  double least_;
  std::vector<int64_t> cells_;  // suspects
  std::vector<double> levels_, next_;
  std::vector<int64_t> company_;
  Raster top_;                   // up to where points are company of a suspect nearby
  std::vector<int32_t> number_;  // of the suspect in each cell, -1: none
};

}  // namespace salanet
