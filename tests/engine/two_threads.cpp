// Two segmenters in two threads, and two threads that share one; built with a sanitizer by
// csrc/sanitize_library.sh:  two_threads MODEL.safetensors
//
// Every thread must find what one alone finds.
#include "frame_segmenter.h"

#include <cstdio>
#include <exception>
#include <random>
#include <thread>

namespace {

constexpr int kRounds = 3, kThreads = 2;

// A floor, a wall and a box, at a place of its own for each seed.
Frame room(unsigned seed, std::size_t points) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> along(0.0, 4.0);
  Frame frame;
  for (std::size_t i = 0; i < points; ++i) {
    const double x = along(random), y = along(random), z = along(random);
    const double place[3][3] = {{x, y, 0.0}, {x, 0.0, z / 2}, {x / 4 + 1, y / 4 + 1, 0.8}};
    for (const double value : place[i % 3]) frame.points.push_back(value + 10.0 * seed);
  }
  return frame;
}

bool agree(const FrameSegmenter& first, const FrameSegmenter& second) {
  const Frame frames[2] = {room(1, 9000), room(2, 7000)};
  const std::vector<std::int32_t> alone[2] = {first.labels(frames[0]), second.labels(frames[1])};
  bool same[2] = {true, true};
  const auto work = [&](const FrameSegmenter& segmenter, int number) {
    for (int round = 0; round < kRounds; ++round)
      same[number] = same[number] && segmenter.labels(frames[number]) == alone[number];
  };
  std::thread other([&] { work(second, 1); });
  work(first, 0);
  other.join();
  return same[0] && same[1];
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  try {
    const FrameSegmenter first(arguments[1], kThreads), second(arguments[1], kThreads);
    const bool apart = agree(first, second), shared = agree(first, first);
    std::printf("two segmenters: %s; one for both: %s\n", apart ? "same" : "differ",
                shared ? "same" : "differ");
    return apart && shared ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "two_threads: %s\n", error.what());
    return 2;
  }
}
