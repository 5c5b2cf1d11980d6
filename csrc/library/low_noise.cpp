#include "library/low_noise.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace salanet {
namespace {

constexpr double kPit = 1.0, kBand = 0.75;  // metres
constexpr int64_t kSquare = 5, kReach = kSquare / 2;  // cells
constexpr double kShare = 0.01, kDense = 2.0, kSmooth = 0.5, kMostly = 0.3;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

LowNoise::LowNoise(const Raster& lowest, const Mask& known, int64_t points)
    : rows_(lowest.rows), columns_(lowest.columns) {
  const int64_t there = std::count(known.values.begin(), known.values.end(), 1);
  const double density = static_cast<double>(points) / static_cast<double>(std::max<int64_t>(there, 1));
  least_ = std::max(1.0, kShare * kSquare * kSquare * density);
  if (density < kDense) return;
  Raster heights = lowest;
  for (int64_t i = 0; i < heights.size(); ++i)
    if (!known[i]) heights[i] = -kInfinity;
  const Raster closed = least_around(greatest_around(heights, kSquare), kSquare);
  for (int64_t i = 0; i < heights.size(); ++i)
    if (known[i] && closed[i] - lowest[i] > kPit)
      cells_.push_back(i), levels_.push_back(lowest[i]);
    else
      heights[i] = -kInfinity;
  if (cells_.empty()) return;
  company_.assign(cells_.size(), 0);
  next_.assign(cells_.size(), kInfinity);
  top_ = greatest_around(heights, kSquare);
  for (double& height : top_.values) height += kBand;
  number_.assign(static_cast<size_t>(heights.size()), -1);
  for (size_t i = 0; i < cells_.size(); ++i)
    number_[static_cast<size_t>(cells_[i])] = static_cast<int32_t>(i);
}

void LowNoise::add(int64_t cell, double z, double above) {
  if (cells_.empty()) return;
  if (z <= top_[cell]) {
    const int64_t row = cell / columns_, column = cell % columns_;
    for (int64_t u = std::max<int64_t>(row - kReach, 0); u <= std::min(row + kReach, rows_ - 1); ++u)
      for (int64_t v = std::max<int64_t>(column - kReach, 0);
           v <= std::min(column + kReach, columns_ - 1); ++v) {
        const int32_t of = number_[static_cast<size_t>(u * columns_ + v)];
        if (of >= 0 && std::fabs(z - levels_[static_cast<size_t>(of)]) <= kBand)
          ++company_[static_cast<size_t>(of)];
      }
  }
  const int32_t own = number_[static_cast<size_t>(cell)];
  if (own >= 0 && z > levels_[static_cast<size_t>(own)] + kPit) {
    double& next = next_[static_cast<size_t>(own)];
    next = std::min(next, above);
  }
}

std::vector<int64_t> LowNoise::replace(Raster& lowest) const {
  std::vector<int64_t> alone, found;
  std::vector<double> first;
  for (size_t i = 0; i < cells_.size(); ++i) {
    if (!(static_cast<double>(company_[i] - 1) < least_)) continue;
    alone.push_back(cells_[i]), first.push_back(lowest[cells_[i]]);
    lowest[cells_[i]] = next_[i];
  }
  std::vector<uint8_t> smooth(alone.size());
  for (size_t i = 0; i < alone.size(); ++i) {
    const int64_t row = alone[i] / columns_, column = alone[i] % columns_;
    int64_t near = 0, there = 0;
    for (int64_t u = std::max<int64_t>(row - 1, 0); u <= std::min(row + 1, rows_ - 1); ++u)
      for (int64_t v = std::max<int64_t>(column - 1, 0); v <= std::min(column + 1, columns_ - 1);
           ++v) {
        const double around = lowest[u * columns_ + v];
        if ((u == row && v == column) || !std::isfinite(around)) continue;
        ++there, near += std::fabs(around - lowest[alone[i]]) <= kBand;
      }
    smooth[i] = static_cast<double>(near) > kSmooth * static_cast<double>(there);
  }
  const auto many = static_cast<double>(std::count(smooth.begin(), smooth.end(), 1));
  const bool all = many > kMostly * static_cast<double>(alone.size());
  for (size_t i = 0; i < alone.size(); ++i)
    if (all || smooth[i])
      found.push_back(alone[i]);
    else
      lowest[alone[i]] = first[i];
  return found;
}

}  // namespace salanet
