#include "library/terrain.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "common/parallel.h"

namespace salanet {
namespace {

constexpr double kCell = 1.0, kWindow = 40.0;  // metres
constexpr double kNear = 0.3, kSteep = 1.0, kRise = 1.0, kNearby = 5.0;
constexpr int64_t kFewestForPlane = 20, kCoarse = 3;
constexpr double kMostCells = 1 << 22;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kGrain = 1 << 14;

double modulo(double value, double divisor) {
  const double rest = std::fmod(value, divisor);
  return rest < 0 ? rest + divisor : rest;
}

Mask finite(const Raster& heights) {
  Mask found(heights.rows, heights.columns, 0);
  for (int64_t i = 0; i < heights.size(); ++i) found[i] = std::isfinite(heights[i]);
  return found;
}

void drop_strays(const Raster& lowest, Mask& known, int threads) {
  const Mask stray = strays(nearest_fill(lowest, known, threads));
  for (int64_t i = 0; i < known.size(); ++i) known[i] &= !stray[i];
}

}  // namespace

bool Terrain::tells(const std::string& feature) {
  return feature == "height_above_ground" || feature == "height_above_lowest" ||
         feature == "terrain_slope";
}

Terrain Terrain::find(const double* points, int64_t count, int threads) {
  Terrain terrain;
  terrain.cover(points, count);
  const Raster first = terrain.lowest_points(points, count);
  Mask known = finite(first);
  drop_strays(first, known, threads);
  terrain.fit_plane(first, known, threads);
  LowNoise noise(first, known, count);
  Raster lowest = terrain.lowest_points(points, count, &noise);
  const std::vector<int64_t> pits = noise.replace(lowest);
  for (const int64_t cell : pits) known[cell] = 0;

  Raster around = first;
  for (int64_t i = 0; i < around.size(); ++i)
    if (!known[i]) around[i] = kInfinity;
  around = least_around(around, 2 * static_cast<int64_t>(std::ceil(kNearby / terrain.cell_)) + 1);
  terrain.lowest_ = smooth_fill(around, finite(around));

  if (!pits.empty()) {
    for (const int64_t cell : pits) known[cell] = std::isfinite(lowest[cell]);
    drop_strays(lowest, known, threads);
  }
  const Mask flat = bare(lowest, known, terrain.cell_, kWindow, true, threads);
  terrain.surface_ = smooth_fill(lowest, flat);
  terrain.refine(points, count, flat);
  terrain.slope_ = terrain.rises();
  for (double& rise : terrain.slope_.values) rise /= terrain.cell_;
  terrain.find_faces();
  return terrain;
}

void Terrain::cover(const double* points, int64_t count) {
  double high[3];
  std::copy_n(points, 3, low_);
  std::copy_n(points, 3, high);
  for (int64_t i = 1; i < count; ++i)
    for (int axis = 0; axis < 3; ++axis) {
      low_[axis] = std::min(low_[axis], points[3 * i + axis]);
      high[axis] = std::max(high[axis], points[3 * i + axis]);
    }
  const double extent[2] = {high[0] - low_[0], high[1] - low_[1]};
  cell_ = std::max({kCell, std::sqrt(extent[0] * extent[1] / kMostCells),
                    std::max(extent[0], extent[1]) / kMostCells});
  // Whole cells of the absolute grid: the raster does not depend on the cloud's extent.
  for (int axis = 0; axis < 2; ++axis) phase_[axis] = modulo(low_[axis] / cell_, 1.0);
  rows_ = static_cast<int64_t>(std::floor(extent[0] / cell_ + phase_[0])) + 1;
  columns_ = static_cast<int64_t>(std::floor(extent[1] / cell_ + phase_[1])) + 1;
}

Terrain::Place Terrain::place(const double* point) const {
  Place found{(point[0] - low_[0]) / cell_ + phase_[0] - 0.5,
              (point[1] - low_[1]) / cell_ + phase_[1] - 0.5, point[2] - low_[2]};
  found.z -= tilt(found.u, found.v);
  return found;
}

int64_t Terrain::cell_of(const Place& place) const {
  const auto row = static_cast<int64_t>(std::floor(place.u + 0.5));
  const auto column = static_cast<int64_t>(std::floor(place.v + 0.5));
  return std::clamp<int64_t>(row, 0, rows_ - 1) * columns_ +
         std::clamp<int64_t>(column, 0, columns_ - 1);
}

// Of each cell, above the plane; all points are shown to `noise`.
Raster Terrain::lowest_points(const double* points, int64_t count, LowNoise* noise) const {
  Raster lowest(rows_, columns_, kInfinity);
  for (int64_t i = 0; i < count; ++i) {
    const Place found = place(points + 3 * i);
    const int64_t cell = cell_of(found);
    lowest[cell] = std::min(lowest[cell], found.z);
    if (noise != nullptr) noise->add(cell, found.z + tilt(found.u, found.v), found.z);
  }
  return lowest;
}

// The plane through the ground, seen in coarse cells.
void Terrain::fit_plane(const Raster& lowest, const Mask& known, int threads) {
  Raster coarse((rows_ + kCoarse - 1) / kCoarse, (columns_ + kCoarse - 1) / kCoarse, kInfinity);
  for (int64_t i = 0; i < rows_; ++i)
    for (int64_t j = 0; j < columns_; ++j) {
      if (!known[i * columns_ + j]) continue;
      double& least = coarse[i / kCoarse * coarse.columns + j / kCoarse];
      least = std::min(least, lowest[i * columns_ + j]);
    }
  const Mask ground = bare(coarse, finite(coarse), cell_ * kCoarse, kWindow, false, threads);
  double count = 0, mean[3] = {};
  const auto each = [&](auto&& body) {
    for (int64_t i = 0; i < ground.rows; ++i)
      for (int64_t j = 0; j < ground.columns; ++j)
        if (ground[i * ground.columns + j])
          body(static_cast<double>(i), static_cast<double>(j), coarse[i * ground.columns + j]);
  };
  each([&](double u, double v, double z) {
    count += 1, mean[0] += u, mean[1] += v, mean[2] += z;
  });
  if (count < kFewestForPlane) return;
  for (double& value : mean) value /= count;
  double uu = 0, uv = 0, vv = 0, uz = 0, vz = 0;
  each([&](double u, double v, double z) {
    u -= mean[0], v -= mean[1], z -= mean[2];
    uu += u * u, uv += u * v, vv += v * v, uz += u * z, vz += v * z;
  });
  const double determinant = uu * vv - uv * uv;
  double slope[2] = {uu > 0 ? uz / uu : 0, uu > 0 ? 0 : vv > 0 ? vz / vv : 0};  // of one row
  if (determinant > 1e-12 * uu * vv) {
    slope[0] = (uz * vv - vz * uv) / determinant;
    slope[1] = (vz * uu - uz * uv) / determinant;
  }
  plane_[0] = slope[0] / kCoarse, plane_[1] = slope[1] / kCoarse;
  plane_[2] = mean[2] - slope[0] * mean[0] - slope[1] * mean[1];
}

// By how much the ground rises within each cell, in metres.
Raster Terrain::rises() const {
  const auto gradient = [](double before, double here, double after, bool first, bool last) {
    return first ? after - here : last ? here - before : (after - before) / 2;
  };
  Raster found(rows_, columns_, 0.0);
  for (int64_t i = 0; i < rows_; ++i)
    for (int64_t j = 0; j < columns_; ++j) {
      const int64_t cell = i * columns_ + j;
      const double here = surface_[cell];
      double u = 0, v = 0;
      if (rows_ > 1)
        u = gradient(i > 0 ? surface_[cell - columns_] : 0, here,
                     i + 1 < rows_ ? surface_[cell + columns_] : 0, i == 0, i + 1 == rows_);
      if (columns_ > 1)
        v = gradient(j > 0 ? surface_[cell - 1] : 0, here,
                     j + 1 < columns_ ? surface_[cell + 1] : 0, j == 0, j + 1 == columns_);
      found[cell] = std::hypot(u + plane_[0], v + plane_[1]);
    }
  return found;
}

// The mean height of the points near the surface, where there is ground; minima are too low.
void Terrain::refine(const double* points, int64_t count, const Mask& flat) {
  Raster rise = rises(), total(rows_, columns_, 0.0), held = total;
  for (double& value : rise.values) value = std::max(value - kRise * cell_, 0.0);
  for (int64_t i = 0; i < count; ++i) {
    const Place found = place(points + 3 * i);
    const double room = kNear + kSteep * at(rise, found.u, found.v);
    if (!(std::fabs(found.z - at(surface_, found.u, found.v)) < room)) continue;
    const int64_t cell = cell_of(found);
    total[cell] += found.z, held[cell] += 1;
  }
  Mask refined = flat;
  for (int64_t i = 0; i < total.size(); ++i) {
    refined[i] &= held[i] > 0;
    total[i] /= std::max(held[i], 1.0);
  }
  if (any(refined)) surface_ = smooth_fill(total, refined);
}

// How far below and above the neighbouring cells are: 0 up to kRise, all from twice it.
void Terrain::find_faces() {
  foot_ = least_around(surface_, 3), top_ = greatest_around(surface_, 3);
  for (int64_t i = 0; i < surface_.size(); ++i) {
    const double below = foot_[i] - surface_[i], above = top_[i] - surface_[i];
    const double share = std::clamp((above - below) / (2 * kRise * cell_) - 1, 0.0, 1.0);
    foot_[i] = share * below, top_[i] = share * above;
  }
}

double Terrain::height(const Place& place) const {
  const double found = place.z - at(surface_, place.u, place.v);
  const int64_t cell = cell_of(place);
  if (!(top_[cell] - foot_[cell] > 0)) return found;
  const double below = at(foot_, place.u, place.v), above = at(top_, place.u, place.v);
  return found - std::clamp(found, below, std::max(below, above));
}

std::vector<float> Terrain::told(const std::string& feature, const double* points, int64_t count,
                                 int threads) const {
  std::vector<float> values(static_cast<size_t>(count));
  parallel_for(count, kGrain, threads, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t i = begin; i < end; ++i) {
      const Place here = place(points + 3 * i);
      double value = 0;
      if (feature == "height_above_ground") value = height(here);
      if (feature == "height_above_lowest")
        value = here.z + tilt(here.u, here.v) - at(lowest_, here.u, here.v);
      if (feature == "terrain_slope") value = at(slope_, here.u, here.v);
      values[static_cast<size_t>(i)] = static_cast<float>(value);
    }
  });
  return values;
}

}  // namespace salanet
