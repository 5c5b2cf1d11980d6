// SALA backward: r, h and z are computed again, for the pairs of a chunk of supports at a time.
//
// A maximum sends its gradient to one neighbour per channel, so only the pairs that won something
// are visited, and only their winning channels. A sum sends it to all: whole blocks of channels.
#include "aggregation/packed.h"
#include "aggregation/perceptron_backward.h"
#include "aggregation/scan.h"

namespace salanet::SALANET_ISA {

namespace {

constexpr int64_t kTilePairs = 256;
constexpr int64_t kTileWins = 8 * kTilePairs;

struct Workspace {
  Tile tile;
  TileGradients grad;
  int64_t win_count;
  int32_t* wins;         // who won what: pair << kChannelBits | channel
  int32_t* group_of;     // (D)
  float* channel_bias;   // (D): the bias that goes into z, or zeros
  float* pair_r;         // (pairs, R): the tile's r, transposed
  float* pair_grad_r;    // (pairs, R)
  float* grad_out;       // (D + W): a query's incoming gradient, repeated for every group
  float* grad_h;         // (D + W): the gradient of h before the sum over each group's channels
  float* weight;         // (D, R) or, for sums, (blocks, R, W)
  float* bias;           // (D) or (blocks, W)

  Workspace(const Problem& problem, Scratch& scratch)
      : tile(problem, kTilePairs, scratch), grad(problem, tile, scratch) {
    const int64_t lanes = problem.D() + W;
    win_count = 0;
    wins = scratch.take<int32_t>(kTileWins + problem.D() + 16);
    group_of = scratch.take<int32_t>(problem.D());
    channel_bias = scratch.take<float>(problem.D());
    pair_r = scratch.take<float>(tile.capacity * problem.R);
    pair_grad_r = scratch.take<float>(tile.capacity * problem.R);
    grad_out = scratch.take<float>(lanes);
    grad_h = scratch.take<float>(lanes);
    weight = scratch.take<float>(lanes * problem.R);
    bias = scratch.take<float>(lanes);
  }
};

// The winning channels of every pair; vectors lie along R. FR is R = 8, 0 (no position_w), or -1.
// One loop over all wins of the tile: a loop per pair would end where no processor expects it.
template <int FR>
void wins_backward(const Problem& problem, Workspace& work, const Gradients& grad) {
  const int R = FR < 0 ? problem.R : FR, S = problem.S;
  const int64_t D = problem.D(), C = problem.C, capacity = work.tile.capacity;
  const Tile& tile = work.tile;
  for (int64_t p = 0; p < tile.count; ++p)
    for (int q = 0; q < R; ++q) {
      work.pair_r[p * R + q] = tile.r[q * capacity + p];
      work.pair_grad_r[p * R + q] = 0.0f;
    }
  for (int64_t k = 0; k < tile.count * S; ++k) work.grad.h[k] = 0.0f;

  for (int64_t win = 0; win < work.win_count; ++win) {
    const int64_t p = work.wins[win] >> kChannelBits;
    const int64_t d = work.wins[win] & ((1 << kChannelBits) - 1), g = work.group_of[d];
    const int64_t j = tile.support[p];
    const float *w = problem.position_w + d * R, *r = work.pair_r + p * R;
    float* grad_w = work.weight + d * R;
    float* grad_r = work.pair_grad_r + p * R;
    float z = problem.projected[j * problem.stride + d] + work.channel_bias[d];
    if constexpr (FR == 8)
      z += sum(load_as<Vec8>(r) * load_as<Vec8>(w));
    else
      for (int q = 0; q < R; ++q) z += r[q] * w[q];
    if (z <= problem.floor) continue;  // a closed relu: y = 0 and no gradient
    const float incoming = grad.out[tile.query[p] * C + d - g * C];
    const float dz = incoming * tile.h[p * S + g];
    work.grad.h[p * S + g] += incoming * z;
    grad.projected[j * D + d] += dz;
    work.bias[d] += dz;
    if constexpr (FR == 8) {
      store_as(grad_w, load_as<Vec8>(grad_w) + load_as<Vec8>(r) * dz);
      store_as(grad_r, load_as<Vec8>(grad_r) + load_as<Vec8>(w) * dz);
    } else {
      for (int q = 0; q < R; ++q) grad_w[q] += r[q] * dz;
      for (int q = 0; q < R; ++q) grad_r[q] += w[q] * dz;
    }
  }
  for (int64_t p = 0; p < tile.count; ++p)
    for (int q = 0; q < R; ++q) work.grad.r[q * capacity + p] = work.pair_grad_r[p * R + q];
}

// All channels of every pair; vectors lie along the channels.
template <int FR>
void sums_backward(const Problem& problem, const Packed& packed, Workspace& work,
                   const Gradients& grad) {
  const int R = FR < 0 ? packed.rows : FR, S = problem.S;
  const int64_t D = problem.D(), C = problem.C, capacity = work.tile.capacity;
  const Tile& tile = work.tile;
  for (int64_t p = 0; p < tile.count; ++p) {
    const float* projected = problem.projected + tile.support[p] * problem.stride;
    float* grad_projected = grad.projected + tile.support[p] * D;
    for (int g = 0; g < S; ++g)
      std::memcpy(work.grad_out + g * C, grad.out + tile.query[p] * C, C * sizeof(float));
    Vec grad_r[FR > 0 ? FR : kMaxLifted];
    for (int q = 0; q < R; ++q) grad_r[q] = Vec{};

    for (int64_t b = 0; b < packed.blocks; ++b) {
      const int64_t column = packed.column[b];
      const Vec* w = packed.weight + b * R;
      Vec z = load(projected + column) + packed.bias[b];
      for (int q = 0; q < R; ++q) z += w[q] * tile.r[q * capacity + p];
      const Vec y = max(splat(problem.floor), z);
      const Vec incoming = load(work.grad_out + column);
      store(work.grad_h + column, incoming * y);
      const Vec h = permute(tile.h + p * S + packed.group[b], packed.index[b]);
      const Vec dz = where((z > problem.floor) & packed.fresh[b], incoming * h, Vec{});
      store(work.bias + b * W, load(work.bias + b * W) + dz);
      for (int q = 0; q < R; ++q) {
        float* grad_w = work.weight + (b * R + q) * W;
        store(grad_w, load(grad_w) + dz * tile.r[q * capacity + p]);
        grad_r[q] += dz * w[q];
      }
      if (D >= W)
        store(grad_projected + column, load(grad_projected + column) + dz);
      else
        for (int64_t d = 0; d < D; ++d) grad_projected[d] += dz[d];
    }
    for (int g = 0; g < S; ++g) work.grad.h[p * S + g] = sum(work.grad_h + g * C, C);
    for (int q = 0; q < R; ++q) work.grad.r[q * capacity + p] = sum(grad_r[q]);
  }
}

// The gradients of position_w and bias, from the layout they were summed in.
void add_channel_gradients(const Problem& problem, const Packed& packed, const Workspace& work,
                           const GradientLayout& at, float* partial) {
  const int64_t rows = packed.rows, D = problem.D();
  if (!problem.sum) {
    for (int64_t k = 0; k < D * rows; ++k) partial[at.position_w + k] += work.weight[k];
    for (int64_t d = 0; d < D; ++d) partial[at.bias + d] += work.bias[d];
    return;
  }
  for (int64_t b = 0; b < packed.blocks; ++b)
    for (int64_t lane = 0; lane < W; ++lane) {
      if (!packed.fresh[b][lane]) continue;
      const int64_t d = packed.column[b] + lane;
      partial[at.bias + d] += work.bias[b * W + lane];
      for (int64_t q = 0; q < rows; ++q)
        partial[at.position_w + d * rows + q] += work.weight[(b * rows + q) * W + lane];
    }
}

}  // namespace

int64_t backward_scratch_bytes(const Problem& problem) {
  Scratch scratch(nullptr);
  Workspace(problem, scratch);
  return scratch.used(nullptr);
}

void backward(const Problem& problem, const void* memory, const Gradients& grad, int64_t begin,
              int64_t end, float* partial, void* scratch_memory) {
  const Packed packed(problem, const_cast<void*>(memory));
  const GradientLayout at(problem.R, problem.H, problem.S, problem.D());
  Scratch scratch(scratch_memory);
  Workspace work(problem, scratch);
  const int64_t D = problem.D(), lanes = D + W;
  work.tile.initialise(problem);
  for (int64_t d = 0; d < D; ++d) {
    work.group_of[d] = static_cast<int32_t>(d / problem.C);
    work.channel_bias[d] = problem.bias ? problem.bias[d] : 0.0f;
  }
  for (int64_t k = 0; k < lanes; ++k) work.bias[k] = work.grad_out[k] = 0.0f;
  for (int64_t k = 0; k < lanes * problem.R; ++k) work.weight[k] = 0.0f;
  for (int64_t k = begin * D; k < end * D; ++k) grad.projected[k] = 0.0f;

  Tile& tile = work.tile;
  const auto flush = [&] {
    locate(problem, tile);
    if (packed.rows == 0)
      for (int64_t k = 0; k < problem.R * tile.capacity; ++k) work.grad.r[k] = 0.0f;
    if (problem.sum && packed.rows == 8)
      sums_backward<8>(problem, packed, work, grad);
    else if (problem.sum)
      sums_backward<-1>(problem, packed, work, grad);
    else if (packed.rows == 8)
      wins_backward<8>(problem, work, grad);
    else if (packed.rows == 0)
      wins_backward<0>(problem, work, grad);
    else
      wins_backward<-1>(problem, work, grad);
    locate_backward(problem, tile, work.grad, at, partial);
    tile.count = work.win_count = 0;
  };
  scan_pairs(problem, begin, end, [&](int64_t i, int32_t j, int64_t k) {
    const int64_t pair = tile.count;
    tile.add(i, j, k);
    if (!problem.sum) {
      const int64_t found = find_equal(grad.slots + i * D, D, k, pair << kChannelBits,
                                       work.wins + work.win_count);
      work.win_count += found;
      tile.count = pair + (found > 0);  // a pair that won nothing is overwritten
    }
    if (tile.count == kTilePairs || work.win_count >= kTileWins) flush();
  });
  if (tile.count > 0) flush();
  add_channel_gradients(problem, packed, work, at, partial);
}

}  // namespace salanet::SALANET_ISA
