#include "library/raster.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "geometry/point_index.h"
#include "geometry/search.h"

namespace salanet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kStrays = 3;  // cells of a 5 x 5 neighbourhood that may be stray returns
constexpr double kPit = 1.0;    // metres a stray return lies below its surroundings

// `size` values from each on, one after the other: the running best in place, by doubling.
template <typename Better>
void run_rows(Raster& padded, int64_t size, Better better) {
  for (int64_t reach = 1; reach < size;) {
    const int64_t step = std::min(reach, size - reach);
    for (int64_t i = 0; i + step < padded.rows; ++i)
      for (int64_t j = 0; j < padded.columns; ++j) {
        double& here = padded[i * padded.columns + j];
        here = better(here, padded[(i + step) * padded.columns + j]);
      }
    reach += step;
  }
}

template <typename Better>
Raster running(const Raster& heights, int64_t size, Better better, double worst) {
  const int64_t half = size / 2, rows = heights.rows, columns = heights.columns;
  Raster padded(rows + 2 * half, columns, worst);
  std::copy(heights.values.begin(), heights.values.end(),
            padded.values.begin() + static_cast<std::ptrdiff_t>(half * columns));
  run_rows(padded, size, better);
  Raster found(rows, columns, 0.0);
  std::vector<double> row(static_cast<size_t>(columns + 2 * half));
  for (int64_t i = 0; i < rows; ++i) {
    std::fill(row.begin(), row.end(), worst);
    std::copy_n(padded.values.begin() + static_cast<std::ptrdiff_t>(i * columns), columns,
                row.begin() + static_cast<std::ptrdiff_t>(half));
    for (int64_t reach = 1; reach < size;) {
      const int64_t step = std::min(reach, size - reach);
      for (size_t j = 0; j + static_cast<size_t>(step) < row.size(); ++j)
        row[j] = better(row[j], row[j + static_cast<size_t>(step)]);
      reach += step;
    }
    std::copy_n(row.begin(), columns,
                found.values.begin() + static_cast<std::ptrdiff_t>(i * columns));
  }
  return found;
}

double lesser(double a, double b) { return std::min(a, b); }
double greater(double a, double b) { return std::max(a, b); }

// The best height within a diamond, by shifts that double it.
template <typename Better>
Raster diamond(Raster heights, int64_t radius, Better better) {
  const int64_t rows = heights.rows, columns = heights.columns;
  for (int64_t reached = 0; reached < radius;) {
    const int64_t shift = std::min(reached + 1, radius - reached);
    Raster best = heights;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        double& here = best[i * columns + j];
        if (i >= shift) here = better(here, heights[(i - shift) * columns + j]);
        if (i + shift < rows) here = better(here, heights[(i + shift) * columns + j]);
        if (j >= shift) here = better(here, heights[i * columns + j - shift]);
        if (j + shift < columns) here = better(here, heights[i * columns + j + shift]);
      }
    heights = std::move(best);
    reached += shift;
  }
  return heights;
}

std::vector<float> places(const std::vector<int64_t>& cells, int64_t columns) {
  std::vector<float> found(3 * cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    found[3 * i] = static_cast<float>(cells[i] / columns);
    found[3 * i + 1] = static_cast<float>(cells[i] % columns);
  }
  return found;
}

// Means of 2 x 2 cells by weight, the weights (at most 1), and from them the gaps.
Raster pull_push(const Raster& values, const Raster& weight) {
  const int64_t rows = values.rows, columns = values.columns;
  const bool full = std::all_of(weight.values.begin(), weight.values.end(),
                                [](double w) { return w > 0; });
  if (values.size() == 1 || full) return values;
  Raster means((rows + 1) / 2, (columns + 1) / 2, 0.0), weights = means;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t cell = i * columns + j, coarse = i / 2 * means.columns + j / 2;
      means[coarse] += values[cell] * weight[cell];
      weights[coarse] += weight[cell];
    }
  for (int64_t i = 0; i < means.size(); ++i) {
    if (weights[i] > 0) means[i] /= weights[i];
    weights[i] = std::min(weights[i], 1.0);
  }
  const Raster coarse = pull_push(means, weights);
  Raster filled(rows, columns, 0.0);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t cell = i * columns + j;
      const double rest =
          at(coarse, (static_cast<double>(i) - 0.5) / 2, (static_cast<double>(j) - 0.5) / 2);
      filled[cell] = weight[cell] * values[cell] + (1 - weight[cell]) * rest;
    }
  return filled;
}

}  // namespace

bool any(const Mask& mask) {
  return std::any_of(mask.values.begin(), mask.values.end(), [](uint8_t v) { return v != 0; });
}

bool all(const Mask& mask) {
  return std::all_of(mask.values.begin(), mask.values.end(), [](uint8_t v) { return v != 0; });
}

Raster least_around(const Raster& heights, int64_t size) {
  return running(heights, size, lesser, kInfinity);
}

Raster greatest_around(const Raster& heights, int64_t size) {
  return running(heights, size, greater, -kInfinity);
}

Raster opening(const Raster& heights, int64_t radius) {
  const auto square = static_cast<int64_t>(std::nearbyint(0.414 * static_cast<double>(radius)));
  const int64_t size = 2 * square + 1, rest = radius - square;
  const Raster low = diamond(least_around(heights, size), rest, lesser);
  return diamond(greatest_around(low, size), rest, greater);
}

Raster nearest_fill(const Raster& values, const Mask& known, int threads) {
  Raster filled = values;
  if (all(known) || !any(known)) {
    for (double& value : filled.values)
      if (!std::isfinite(value)) value = 0;
    return filled;
  }
  const int64_t rows = values.rows, columns = values.columns;
  const auto unknown = [&](int64_t i, int64_t j) {
    return i >= 0 && j >= 0 && i < rows && j < columns && !known[i * columns + j];
  };
  std::vector<int64_t> border, gaps;  // of what is known: nothing behind it is nearer
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t cell = i * columns + j;
      if (!known[cell])
        gaps.push_back(cell);
      else if (unknown(i - 1, j) || unknown(i + 1, j) || unknown(i, j - 1) || unknown(i, j + 1))
        border.push_back(cell);
    }
  const std::vector<float> from = places(border, columns), to = places(gaps, columns);
  const auto index = [threads](const std::vector<float>& points) {
    const auto count = static_cast<int64_t>(points.size() / 3);
    const int64_t splits[2] = {0, count};
    return PointIndex(points.data(), count, splits, 1, "points", threads);
  };
  std::vector<int32_t> found(gaps.size());
  nearest(index(to), index(from), found.data(), threads);
  for (size_t i = 0; i < gaps.size(); ++i)
    filled[gaps[i]] = values[border[static_cast<size_t>(found[i])]];
  return filled;
}

Raster smooth_fill(const Raster& values, const Mask& known) {
  Raster held = values, weight(values.rows, values.columns, 0.0);
  for (int64_t i = 0; i < values.size(); ++i) {
    weight[i] = known[i] ? 1.0 : 0.0;
    if (!known[i]) held[i] = 0;
  }
  return pull_push(held, weight);
}

Mask strays(const Raster& lowest) {
  const int64_t rows = lowest.rows, columns = lowest.columns;
  Mask found(rows, columns, 0);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      double least[kStrays + 1];
      std::fill_n(least, kStrays + 1, kInfinity);
      for (int64_t u = i - 2; u <= i + 2; ++u)
        for (int64_t v = j - 2; v <= j + 2; ++v) {
          double value = lowest[std::clamp<int64_t>(u, 0, rows - 1) * columns +
                                std::clamp<int64_t>(v, 0, columns - 1)];
          for (double& kept : least)
            if (value < kept) std::swap(value, kept);
        }
      found[i * columns + j] = least[kStrays] - lowest[i * columns + j] > kPit;
    }
  return found;
}

double at(const Raster& heights, double u, double v) {
  const auto split = [](double place, int64_t size, int64_t& cell) {
    const double clipped = std::clamp(place, 0.0, static_cast<double>(size - 1));
    cell = std::min(static_cast<int64_t>(clipped), std::max<int64_t>(size - 2, 0));
    return clipped - static_cast<double>(cell);
  };
  int64_t i = 0, j = 0;
  const double fu = split(u, heights.rows, i), fv = split(v, heights.columns, j);
  const int64_t right = heights.columns > 1 ? 1 : 0, below = heights.rows > 1 ? heights.columns : 0;
  const int64_t here = i * heights.columns + j;
  const double top = heights[here] * (1 - fv) + heights[here + right] * fv;
  const double bottom = heights[here + below] * (1 - fv) + heights[here + below + right] * fv;
  return top * (1 - fu) + bottom * fu;
}

}  // namespace salanet
