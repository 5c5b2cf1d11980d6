#include "library/cells.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>

#include "common/parallel.h"
#include "geometry/grid.h"
#include "library/terrain.h"

namespace salanet {
namespace {

constexpr double kCoarsest = 16, kBelow = 1e-3;  // of salanet.scenes.choose_offset
constexpr double kFloorShare = 0.005;            // of salanet.scenes.lowest
constexpr float kIntensityClip = 2.0f, kReturnsAlone = 1.0f;
constexpr double kUsualCell = 0.25, kBright = 0.95;
constexpr float kHeightScales[] = {0.5f, 3.0f}, kSteepest = 2.0f;
constexpr int64_t kGrain = 1 << 15;

struct Feature {
  const char* name;
  int64_t channels;
};
constexpr Feature kFeatures[] = {{"one", 1}, {"rgb", 3},       {"height", 1},  {"z", 1},
                                 {"xyz", 3}, {"intensity", 1}, {"returns", 2}, {"cell_size", 1},
                                 {"height_above_ground", 2},      {"height_above_lowest", 2},
                                 {"terrain_slope", 1}};

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void require_given(const Model& model, bool given, const char* name) {
  if (!given && !contains(model.card.optional, name))
    throw DataError("the model needs '" + std::string(name) + "', and cannot do without");
}

// The corner of the coarsest cell that holds the cloud's minimum.
void choose_offset(const std::vector<double>& points, double grid, double* offset) {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  std::fill_n(offset, 3, kNone);
  for (size_t i = 0; i < points.size(); ++i) offset[i % 3] = std::min(offset[i % 3], points[i]);
  const double step = kCoarsest * grid, below = kBelow * grid;
  for (int axis = 0; axis < 3; ++axis)
    offset[axis] = std::floor((offset[axis] + below) / step) * step - below;
}

// The height that one point in two hundred lies below, between those of two points.
float lowest(const std::vector<float>& points) {
  std::vector<float> heights(points.size() / 3);
  for (size_t i = 0; i < heights.size(); ++i) heights[i] = points[3 * i + 2];
  const double place = kFloorShare * static_cast<double>(heights.size() - 1);
  const auto at = static_cast<std::ptrdiff_t>(place);
  std::nth_element(heights.begin(), heights.begin() + at, heights.end());
  const float low = heights[static_cast<size_t>(at)];
  if (static_cast<size_t>(at) + 1 == heights.size()) return low;
  const float high = *std::min_element(heights.begin() + at + 1, heights.end());
  return low + (high - low) * static_cast<float>(place - static_cast<double>(at));
}

// Rows of the points that are kept; all of them where `kept` is empty.
template <typename T>
std::vector<T> rows(const T* values, int64_t columns, int64_t count,
                    const std::vector<int32_t>& kept) {
  if (kept.empty()) return std::vector<T>(values, values + count * columns);
  std::vector<T> found;
  found.reserve(kept.size() * static_cast<size_t>(columns));
  for (const int32_t row : kept)
    found.insert(found.end(), values + row * columns, values + (row + 1) * columns);
  return found;
}

std::vector<float> colours(const Grid& grid, const std::vector<uint8_t>& rgb, int threads) {
  std::vector<float> means(static_cast<size_t>(grid.count()) * 3);
  if (rgb.empty()) return means;
  grid.mean(rgb.data(), 3, means.data(), threads);
  for (float& mean : means) mean = std::nearbyint(mean) / 255.0f;
  return means;
}

// In two digits, as salanet.adapt.alignment has it.
double two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return std::strtod(text, nullptr);
}

// The intensity that 95 of 100 do not exceed, in two digits: any sample of the points would give it.
// 1 if there is none.
double scale_of(std::vector<float> values) {
  std::erase_if(values, [](float value) { return !std::isfinite(value); });
  if (values.empty()) return 1;
  const double place = kBright * static_cast<double>(values.size() - 1);
  const auto at = static_cast<std::ptrdiff_t>(place);
  std::nth_element(values.begin(), values.begin() + at, values.end());
  const double low = values[static_cast<size_t>(at)];
  const double high = static_cast<size_t>(at) + 1 == values.size()
                          ? low
                          : *std::min_element(values.begin() + at + 1, values.end());
  const double scale = low + (high - low) * (place - static_cast<double>(at));
  return scale > 0 ? two_digits(scale) : 1;
}

// Points without a value do not count; cells of them alone have none, which is 0.
std::vector<float> intensities(const Grid& grid, std::vector<float> values, double scale,
                               int threads) {
  std::vector<float> means(static_cast<size_t>(grid.count()));
  if (values.empty()) return means;
  std::vector<float> given(values.size(), 1.0f);
  bool all = true;
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i])) given[i] = values[i] = 0.0f, all = false;
  grid.mean(values.data(), 1, means.data(), threads);
  if (!all) {
    std::vector<float> shares(means.size());
    grid.mean(given.data(), 1, shares.data(), threads);
    for (size_t i = 0; i < means.size(); ++i)
      means[i] = shares[i] > 0 ? means[i] / shares[i] : 0.0f;
  }
  for (float& mean : means)
    mean = std::clamp(mean / static_cast<float>(scale), 0.0f, kIntensityClip);
  return means;
}

// Fills the channels of features, one after the other.
class FeatureTable {
 public:
  FeatureTable(int64_t rows, int64_t channels)
      : channels_(channels), values(static_cast<size_t>(rows * channels)) {}

  template <typename Value>
  void column(Value&& value) {
    const int64_t rows = static_cast<int64_t>(values.size()) / channels_;
    for (int64_t i = 0; i < rows; ++i) values[i * channels_ + next_] = value(i);
    ++next_;
  }

 private:
  int64_t channels_, next_ = 0;

 public:
  std::vector<float> values;
};

}  // namespace

void require_features(const Model& model) {
  int64_t channels = 0;
  for (const std::string& name : model.config.features) {
    const auto known = std::find_if(std::begin(kFeatures), std::end(kFeatures),
                                    [&](const Feature& feature) { return name == feature.name; });
    if (known == std::end(kFeatures))
      throw DataError("the model has an unknown feature '" + name + "'");
    channels += known->channels;
  }
  if (channels != model.config.in_channels)
    throw DataError("the model takes " + std::to_string(model.config.in_channels) +
                    " channels, but its features have " + std::to_string(channels));
}

Cells make_cells(const Model& model, const CloudView& cloud, double intensity_scale,
                 int threads) {
  const auto& names = model.config.features;
  const bool rgb = contains(names, "rgb"), intensity = contains(names, "intensity");
  if (rgb) require_given(model, cloud.rgb != nullptr, "rgb");
  if (intensity) require_given(model, cloud.intensity != nullptr, "intensity");
  if (contains(names, "returns")) {
    require_given(model, false, "return_number");
    require_given(model, false, "number_of_returns");
  }
  const bool own = model.card.own_intensity && cloud.intensity != nullptr;
  double scale = intensity_scale > 0 ? intensity_scale : model.card.intensity_scale;
  if (intensity && !own && !(scale > 0))
    throw DataError("the model does not tell its intensity scale: give one");

  Cells cells;
  cells.of_point.resize(static_cast<size_t>(cloud.count));
  std::vector<int32_t> kept;
  for (int64_t i = 0; i < cloud.count; ++i) {
    const double* p = cloud.points + 3 * i;
    if (std::isfinite(p[0]) && std::isfinite(p[1]) && std::isfinite(p[2]))
      kept.push_back(static_cast<int32_t>(i));
  }
  if (kept.empty()) throw DataError("the cloud has no point with finite coordinates");
  if (static_cast<int64_t>(kept.size()) == cloud.count) kept = {};

  std::vector<double> points = rows(cloud.points, 3, cloud.count, kept);
  const auto count = static_cast<int64_t>(points.size() / 3);
  std::vector<std::pair<std::string, std::vector<float>>> told;  // of each point by its terrain
  if (std::any_of(names.begin(), names.end(), Terrain::tells)) {
    const Terrain terrain = Terrain::find(points.data(), count, threads);
    for (const std::string& name : names)
      if (Terrain::tells(name))
        told.emplace_back(name, terrain.told(name, points.data(), count, threads));
  }
  const double cell = model.config.grid();
  double offset[3];
  choose_offset(points, cell, offset);
  parallel_for(count, kGrain, threads, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t i = begin; i < end; ++i)
      for (int axis = 0; axis < 3; ++axis) points[3 * i + axis] -= offset[axis];
  });
  const int64_t splits[2] = {0, count};
  const Grid grid(points.data(), count, cell, splits, 1, threads);
  std::vector<double> means(static_cast<size_t>(grid.count()) * 3);
  grid.mean(points.data(), 3, means.data(), threads);
  cells.points.assign(means.begin(), means.end());

  if (kept.empty()) {
    grid.cells(cells.of_point.data(), threads);
  } else {
    std::vector<int32_t> among(kept.size());
    grid.cells(among.data(), threads);
    std::fill(cells.of_point.begin(), cells.of_point.end(), -1);
    for (size_t i = 0; i < kept.size(); ++i) cells.of_point[static_cast<size_t>(kept[i])] = among[i];
  }

  if (own && !(intensity_scale > 0)) scale = scale_of(rows(cloud.intensity, 1, cloud.count, kept));
  std::vector<float> red, bright;
  if (rgb)
    red = colours(grid, cloud.rgb ? rows(cloud.rgb, 3, cloud.count, kept) : std::vector<uint8_t>(),
                  threads);
  if (intensity)
    bright = intensities(
        grid, cloud.intensity ? rows(cloud.intensity, 1, cloud.count, kept) : std::vector<float>(),
        scale, threads);
  const float base = contains(names, "height") ? lowest(cells.points) : 0.0f;
  const auto octave =
      static_cast<float>(std::clamp(std::log2(cell / kUsualCell), -4.0, 3.0));
  const float* place = cells.points.data();
  FeatureTable table(cells.count(), model.config.in_channels);
  for (const std::string& name : names) {
    if (name == "one") table.column([](int64_t) { return 1.0f; });
    if (name == "rgb")
      for (int64_t c = 0; c < 3; ++c) table.column([&](int64_t i) { return red[3 * i + c]; });
    if (name == "height") table.column([&](int64_t i) { return place[3 * i + 2] - base; });
    if (name == "z")
      table.column([&](int64_t i) { return place[3 * i + 2] + static_cast<float>(offset[2]); });
    if (name == "xyz")
      for (int64_t c = 0; c < 3; ++c) table.column([&](int64_t i) { return place[3 * i + c]; });
    if (name == "intensity") table.column([&](int64_t i) { return bright[i]; });
    if (name == "returns") {  // of points that are the only ones of their pulse
      table.column([](int64_t) { return kReturnsAlone; });
      table.column([](int64_t) { return kReturnsAlone / 4; });
    }
    if (name == "cell_size") table.column([&](int64_t) { return octave; });
    for (const auto& [feature, values] : told) {
      if (feature != name) continue;
      std::vector<float> mean(static_cast<size_t>(grid.count()));
      grid.mean(values.data(), 1, mean.data(), threads);
      if (name == "terrain_slope")
        table.column([&](int64_t i) { return std::clamp(mean[i], 0.0f, kSteepest); });
      else
        for (const float scale : kHeightScales)
          table.column([&](int64_t i) { return std::clamp(mean[i] / scale, -1.0f, 1.0f); });
    }
  }
  cells.features = std::move(table.values);
  return cells;
}

}  // namespace salanet
