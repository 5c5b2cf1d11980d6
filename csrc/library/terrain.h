// The terrain under a cloud, and what it tells of points; see salanet.sampling.ground.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "library/low_noise.h"
#include "library/raster.h"

namespace salanet {

class Terrain {
 public:
  // Under finite points (count, 3) in metres, z up, count >= 1.
  static Terrain find(const double* points, int64_t count, int threads);

  // Whether it tells a feature, by the name that models have for it.
  static bool tells(const std::string& feature);

  // That of each point (count,): height_above_ground, height_above_lowest or terrain_slope.
  std::vector<float> told(const std::string& feature, const double* points, int64_t count,
                          int threads) const;

 private:
  struct Place {
    double u, v, z;  // on the raster, and above `low_` and the plane
  };

  void cover(const double* points, int64_t count);
  Place place(const double* point) const;
  int64_t cell_of(const Place& place) const;
  double tilt(double u, double v) const { return plane_[0] * u + plane_[1] * v + plane_[2]; }
  Raster lowest_points(const double* points, int64_t count, LowNoise* noise = nullptr) const;
  void fit_plane(const Raster& lowest, const Mask& known, int threads);
  Raster rises() const;
  void refine(const double* points, int64_t count, const Mask& flat);
  void find_faces();
  double height(const Place& place) const;

  double low_[3] = {};   // least coordinates of the cloud
  double phase_[2] = {};  // where the raster's cells begin
  double cell_ = 1.0;
  int64_t rows_ = 1, columns_ = 1;
  double plane_[3] = {};  // coefficients of u, v, 1
  Raster surface_, lowest_;  // above low and plane; the lowest point nearby, above low
  Raster slope_, foot_, top_;
};

}  // namespace salanet
