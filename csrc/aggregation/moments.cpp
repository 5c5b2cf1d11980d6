// Moments of the lifted offsets r over all pairs, and what their gradients ask of the lift.
#include "aggregation/perceptron_backward.h"
#include "aggregation/scan.h"

namespace salanet::SALANET_ISA {

namespace {

constexpr int64_t kTilePairs = 256;

struct Workspace {
  Tile tile;
  TileGradients grad;

  Workspace(const Problem& problem, Scratch& scratch)
      : tile(problem, kTilePairs, scratch), grad(problem, tile, scratch) {}
};

// process() for every full tile of the chunk's pairs and the last one; r is 0 past the last pair.
template <typename Process>
void each_tile(const Problem& problem, Tile& tile, int64_t begin, int64_t end, Process&& process) {
  const auto flush = [&] {
    locate(problem, tile);
    for (int q = 0; q < problem.R; ++q)
      for (int64_t p = tile.count; p < tile.vectors() * W; ++p) tile.r[q * tile.capacity + p] = 0;
    process();
    tile.count = 0;
  };
  scan_pairs(problem, begin, end, [&](int64_t i, int32_t j, int64_t k) {
    tile.add(i, j, k);
    if (tile.count == kTilePairs) flush();
  });
  if (tile.count > 0) flush();
}

}  // namespace

int64_t moments_scratch_bytes(const Problem& problem) {
  Scratch scratch(nullptr);
  Workspace(problem, scratch);
  return scratch.used(nullptr);
}

void moments(const Problem& problem, int64_t begin, int64_t end, float* sums, float* counts,
             float* gram, void* scratch_memory) {
  Scratch scratch(scratch_memory);
  Workspace work(problem, scratch);
  Tile& tile = work.tile;
  const int R = problem.R;
  float total[kMaxLifted] = {};  // Σ r, which nobody asked for
  for (int64_t k = begin * R; k < end * R; ++k) sums[k] = 0.0f;
  for (int64_t j = begin; j < end; ++j) counts[j] = 0.0f;
  each_tile(problem, tile, begin, end, [&] {
    for (int64_t p = 0; p < tile.count; ++p) {
      float* row = sums + static_cast<int64_t>(tile.support[p]) * R;
      for (int q = 0; q < R; ++q) row[q] += tile.r[q * tile.capacity + p];
      counts[tile.support[p]] += 1.0f;
    }
    if (R == 8)
      accumulate<8>(tile, tile.r, R, tile.r, R, gram, total);
    else
      accumulate<0>(tile, tile.r, R, tile.r, R, gram, total);
  });
}

void moments_backward(const Problem& problem, const float* sums, const float* gram, int64_t begin,
                      int64_t end, float* partial, void* scratch_memory) {
  Scratch scratch(scratch_memory);
  Workspace work(problem, scratch);
  Tile& tile = work.tile;
  const GradientLayout at(problem.R, problem.H, problem.S, problem.D());
  const int R = problem.R;
  const int64_t capacity = tile.capacity;
  each_tile(problem, tile, begin, end, [&] {
    for (int q = 0; q < R; ++q)
      for (int64_t p = 0; p < tile.count; p += W) {
        Vec total;
        for (int lane = 0; lane < W; ++lane)
          total[lane] =
              p + lane < tile.count ? sums[static_cast<int64_t>(tile.support[p + lane]) * R + q] : 0;
        for (int k = 0; k < R; ++k)
          total += load(tile.r + k * capacity + p) * (gram[q * R + k] + gram[k * R + q]);
        store(work.grad.r + q * capacity + p, total);
      }
    locate_backward(problem, tile, work.grad, at, partial);
  });
}

}  // namespace salanet::SALANET_ISA
