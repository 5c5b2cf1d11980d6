// From a cloud to the points a network sees; see salanet.sampling.cells and .features.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model.h"

namespace salanet {

struct CloudView {
  const double* points;    // (count, 3)
  const uint8_t* rgb;      // (count, 3) or null
  const float* intensity;  // (count,) or null
  int64_t count;
};

struct Cells {
  std::vector<float> points;      // (M, 3) barycentres, relative to the model's kind of offset
  std::vector<float> features;    // (M, channels of the model)
  std::vector<int32_t> of_point;  // the cell of each point, -1 for points that are not finite
  int64_t count() const { return static_cast<int64_t>(points.size() / 3); }
};

// DataError: the model's features cannot be made of what a cloud here has. To know it early.
void require_features(const Model& model);

// DataError: no point is finite, the cloud lacks what the model needs, or reaches too far.
Cells make_cells(const Model& model, const CloudView& cloud, double intensity_scale, int threads);

}  // namespace salanet
