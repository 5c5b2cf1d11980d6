// Which cells of a raster hold ground; the rules are those of salanet.sampling.bare_earth.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "library/raster.h"

namespace salanet {
namespace {

constexpr double kStep = 0.1, kSlope = 0.15, kGrowth = 1.25, kSeen = 2.0;
constexpr double kJump = 0.5, kSmooth = 0.3;
constexpr int64_t kFewest = 20;
constexpr int kRounds = 3;
constexpr double kLowSlope = 0.05, kLowMost = 2.0, kLowSmooth = 0.05, kLowSteps = 0.5,
                 kLowStep = 1.5;
constexpr int64_t kLowFewest = 30;
constexpr double kWideStep = 4.0, kWideArea = 1000.0, kWideSteps = 0.15, kWideEdge = 0.4;
constexpr double kClimb = 3.0, kRelief = 12.0, kSteep = 0.5;
constexpr int64_t kRockFewest = 150;

using Labels = RasterOf<int32_t>;

// body(cell, neighbour) for all pairs of neighbouring cells.
template <typename Body>
void pairs(int64_t rows, int64_t columns, Body&& body) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t cell = i * columns + j;
      if (i + 1 < rows) body(cell, cell + columns);
      if (j + 1 < columns) body(cell, cell + 1);
    }
}

double apart(const Raster& heights, int64_t a, int64_t b) {
  return std::fabs(heights[b] - heights[a]);
}

// Connected cells without a step between them, numbered from 1; 0 where not chosen.
Labels segments(const Raster& heights, const Mask& chosen, double step, int64_t& count) {
  std::vector<int32_t> parent(static_cast<size_t>(heights.size()));
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](int64_t cell) {
    auto at = static_cast<int32_t>(cell);
    while (parent[static_cast<size_t>(at)] != at) {
      int32_t& above = parent[static_cast<size_t>(at)];
      above = parent[static_cast<size_t>(above)];
      at = above;
    }
    return at;
  };
  pairs(heights.rows, heights.columns, [&](int64_t a, int64_t b) {
    if (!chosen[a] || !chosen[b] || !(apart(heights, a, b) < step)) return;
    const int32_t first = root(a), second = root(b);
    parent[static_cast<size_t>(std::max(first, second))] = std::min(first, second);
  });
  Labels label(heights.rows, heights.columns, 0);
  count = 0;
  for (int64_t cell = 0; cell < heights.size(); ++cell) {
    if (!chosen[cell]) continue;
    const int32_t top = root(cell);  // the least cell of the segment, which comes first
    label[cell] = top == cell ? static_cast<int32_t>(++count) : label[top];
  }
  return label;
}

// What the border of a segment is like, in sides of cells: all of them; at the edge of the raster;
// without a step, to ground; with a step down, and the sum of those in metres.
struct Border {
  int64_t size = 0;
  double length = 0, edge = 0, smooth = 0, steps = 0, drop = 0;

  // Nothing joins it to the ground: a share of it has steps down, whose mean is more than `step`.
  bool alone(double share, double step) const {
    return smooth <= kLowSmooth * steps && steps > share * length && drop > step * steps;
  }
};

std::vector<Border> borders(const Raster& heights, const Labels& label, int64_t count,
                            const Mask& objects) {
  std::vector<Border> found(static_cast<size_t>(count) + 1);
  for (const int32_t number : label.values) ++found[static_cast<size_t>(number)].size;
  pairs(heights.rows, heights.columns, [&](int64_t first, int64_t second) {
    const bool even = apart(heights, first, second) < kJump;
    for (const auto& [inside, outside] :
         {std::pair{first, second}, std::pair{second, first}}) {
      if (label[inside] == 0 || label[inside] == label[outside]) continue;
      Border& border = found[static_cast<size_t>(label[inside])];
      const double fall = heights[inside] - heights[outside];
      border.length += 1;
      if (even && label[outside] == 0 && !objects[outside]) border.smooth += 1;
      if (!even && fall > 0) border.steps += 1, border.drop += fall;
    }
  });
  const int64_t rows = heights.rows, columns = heights.columns;
  for (int64_t i = 0; i < rows; ++i)
    for (const int64_t j : {int64_t{0}, columns - 1})
      found[static_cast<size_t>(label[i * columns + j])].edge += 1;
  for (int64_t j = 0; j < columns; ++j)
    for (const int64_t i : {int64_t{0}, rows - 1})
      found[static_cast<size_t>(label[i * columns + j])].edge += 1;
  for (Border& border : found) border.length += border.edge;
  return found;
}

// Cells of wide windows, of wide windows and the low slope, of small windows, that stick out.
struct Candidates {
  Mask high, low, small;
};

Candidates candidates(Raster heights, double cell, double window) {
  const int64_t rows = heights.rows, columns = heights.columns;
  const Mask none(rows, columns, 0);
  Candidates found{none, none, none};
  const auto largest = std::max<int64_t>(static_cast<int64_t>(std::ceil(window / cell)), 1);
  for (int64_t radius = 1;;) {
    Raster opened = opening(heights, radius);
    const double width = static_cast<double>(radius) * cell;
    for (int64_t i = 0; i < heights.size(); ++i) {
      const double out = heights[i] - opened[i];
      const bool high = out > kStep + kSlope * static_cast<double>(radius) * cell;
      if (width < kSeen) {
        found.small[i] |= high;
      } else {
        found.high[i] |= high;
        found.low[i] |=
            out > std::min(kStep + kLowSlope * static_cast<double>(radius) * cell, kLowMost);
      }
    }
    heights = std::move(opened);
    if (radius == largest) break;
    const auto grown =
        static_cast<int64_t>(std::nearbyint(kGrowth * static_cast<double>(radius)));
    radius = std::min(std::max(radius + 1, grown), largest);
  }
  for (int64_t i = 0; i < none.size(); ++i)
    if (found.small[i]) found.high[i] = found.low[i] = 0;
  return found;
}

double percentile(std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

// Cells of objects that are rather rocks: surfaces that climb far and nearly everywhere.
void leave_rocks(const Raster& heights, Mask& objects, const Mask& high) {
  int64_t count = 0;
  const Labels label = segments(heights, high, kClimb, count);
  struct Face {
    int64_t size = 0;
    double pairs = 0, even = 0;
    std::vector<double> heights;
    bool rock = false;
  };
  std::vector<Face> faces(static_cast<size_t>(count) + 1);
  for (const int32_t number : label.values) ++faces[static_cast<size_t>(number)].size;
  pairs(heights.rows, heights.columns, [&](int64_t a, int64_t b) {
    if (label[a] == 0 || label[a] != label[b]) return;
    Face& face = faces[static_cast<size_t>(label[a])];
    face.pairs += 1;
    if (apart(heights, a, b) < kJump) face.even += 1;
  });
  const auto steep = [&](const Face& face) {
    return face.size >= kRockFewest && face.pairs - face.even > kSteep * face.pairs;
  };
  for (int64_t cell = 0; cell < label.size(); ++cell) {
    if (label[cell] == 0) continue;
    Face& face = faces[static_cast<size_t>(label[cell])];
    if (steep(face)) face.heights.push_back(heights[cell]);
  }
  for (Face& face : faces) {
    if (face.heights.empty()) continue;
    std::sort(face.heights.begin(), face.heights.end());
    face.rock = percentile(face.heights, 0.9) - percentile(face.heights, 0.1) > kRelief;
  }
  for (int64_t cell = 0; cell < label.size(); ++cell)
    if (faces[static_cast<size_t>(label[cell])].rock) objects[cell] = 0;
}

}  // namespace

Mask bare(const Raster& lowest, const Mask& known, double cell, double window, bool rocks,
          int threads) {
  const Raster heights = nearest_fill(lowest, known, threads);
  Candidates found = candidates(heights, cell, window);
  int64_t count = 0;
  for (int round = 0; round < kRounds; ++round) {
    const Labels label = segments(heights, found.high, kJump, count);
    const std::vector<Border> around = borders(heights, label, count, found.small);
    bool changed = false;
    for (int64_t i = 0; i < heights.size(); ++i) {
      if (label[i] == 0) continue;
      const Border& border = around[static_cast<size_t>(label[i])];
      if (border.size < kFewest || !(border.smooth > kSmooth * (border.smooth + border.steps)))
        continue;
      found.high[i] = 0, changed = true;
    }
    if (!changed) break;
  }
  Mask high = found.high;
  for (int64_t i = 0; i < high.size(); ++i) {
    high[i] |= found.small[i];
    if (high[i]) found.low[i] = 0;
  }
  Mask objects = high;
  // Adds the segments of some cells that are roofs.
  const auto add_roofs = [&](const Mask& chosen, const Mask& others, auto&& roof) {
    const Labels label = segments(heights, chosen, kJump, count);
    const std::vector<Border> around = borders(heights, label, count, others);
    for (int64_t i = 0; i < heights.size(); ++i)
      if (label[i] != 0 && roof(around[static_cast<size_t>(label[i])])) objects[i] = 1;
  };
  add_roofs(found.low, high, [](const Border& border) {
    return border.alone(kLowSteps, kLowStep) && border.size >= kLowFewest;
  });
  Mask rest = objects;
  for (uint8_t& chosen : rest.values) chosen = !chosen;
  const Mask others = objects;
  add_roofs(rest, others, [cell](const Border& border) {
    return border.alone(kWideSteps, kWideStep) &&
           static_cast<double>(border.size) * cell * cell >= kWideArea &&
           border.edge <= kWideEdge * border.steps;
  });
  if (rocks) leave_rocks(heights, objects, high);
  Mask ground = known;
  for (int64_t i = 0; i < ground.size(); ++i)
    if (objects[i]) ground[i] = 0;
  return any(ground) ? ground : known;
}

}  // namespace salanet
