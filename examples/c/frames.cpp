// Labels a stream of frames and prints the latency of each:
//   frames MODEL.safetensors [FRAMES [COLUMNS [THREADS]]]
//
// The frames are those of a sensor of 64 lines that drives through a hall: 131,072 points of 2,048
// columns. A robot's node does the same with the frames that it receives: see ../ros2.
#include "frame_segmenter.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kLines = 64;
constexpr double kHall[3] = {8.0, 5.0, 3.0};  // half of its length and width, and its height

// How far along its ray (x, y, z), from a place in the hall, the sensor sees.
double range(const double* place, const double* ray) {
  double reach = 100.0;
  const double low[3] = {-kHall[0], -kHall[1], 0.0};
  for (int axis = 0; axis < 3; ++axis) {
    const double wall = ray[axis] > 0 ? kHall[axis] : low[axis];
    if (std::fabs(ray[axis]) > 1e-9) reach = std::min(reach, (wall - place[axis]) / ray[axis]);
  }
  return reach;
}

Frame frame(int number, int columns) {
  const double place[3] = {-4.0 + 0.1 * number, 0.5, 1.2};
  Frame seen;
  seen.points.reserve(static_cast<std::size_t>(3 * kLines * columns));
  for (int column = 0; column < columns; ++column) {
    const double azimuth = 2 * kPi * column / columns;
    for (int line = 0; line < kLines; ++line) {
      const double elevation = kPi * (-25.0 + 40.0 * line / (kLines - 1)) / 180;
      const double ray[3] = {std::cos(elevation) * std::cos(azimuth),
                             std::cos(elevation) * std::sin(azimuth), std::sin(elevation)};
      const double reach = range(place, ray);
      for (int axis = 0; axis < 3; ++axis) seen.points.push_back(place[axis] + reach * ray[axis]);
    }
  }
  return seen;
}

void run(const char* model, int frames, int columns, int threads) {
  const FrameSegmenter segmenter(model, threads);
  std::vector<double> latencies;
  for (int number = 0; number < frames; ++number) {
    const Frame seen = frame(number, columns);
    const auto start = std::chrono::steady_clock::now();
    const std::vector<std::int32_t> labels = segmenter.labels(seen);
    const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
    latencies.push_back(spent.count());
    std::vector<std::size_t> sizes(segmenter.classes());
    for (const std::int32_t label : labels)
      if (label >= 0) ++sizes[static_cast<std::size_t>(label)];
    const auto most = std::max_element(sizes.begin(), sizes.end()) - sizes.begin();
    std::printf("frame %d: %zu points, %.1f ms, most of them %s\n", number, labels.size(),
                spent.count(), segmenter.name(static_cast<std::size_t>(most)).c_str());
  }
  if (latencies.empty()) return;
  std::sort(latencies.begin(), latencies.end());
  std::printf("median %.1f ms, slowest %.1f ms\n", latencies[latencies.size() / 2],
              latencies.back());
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: frames MODEL.safetensors [FRAMES [COLUMNS [THREADS]]]\n");
    return 2;
  }
  const int frames = count > 2 ? std::atoi(arguments[2]) : 20;
  const int columns = count > 3 ? std::atoi(arguments[3]) : 2048;
  try {
    run(arguments[1], frames, columns, count > 4 ? std::atoi(arguments[4]) : 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "frames: %s\n", error.what());
    return 2;
  }
  return 0;
}
