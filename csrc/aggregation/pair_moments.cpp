// Second moments of (x, 1) over all pairs, x a pair's offset or its lifted r, and what their gradient
// asks of the lift.
//
// Nothing is added to single points here, so queries come in their order and each row of the table
// is read once.
#include "aggregation/tile.h"

namespace salanet::SALANET_ISA {

namespace {

constexpr int64_t kTilePairs = 256;

struct Workspace {
  int size;  // of x
  Tile tile;
  float* x;    // (size, capacity), in the tile
  Vec* total;  // what is summed, each lane by itself

  Workspace(const Problem& problem, Scratch& scratch)
      : size(problem.lifts ? problem.R : 3), tile(problem, kTilePairs + problem.K + W, scratch) {
    x = problem.lifts ? tile.r : tile.offset;
    total = scratch.take<Vec>(totals());
  }
  void initialise() {
    for (int64_t k = 0; k < totals(); ++k) total[k] = Vec{};
  }
  int64_t totals() const { return size * (size + 4); }  // enough for (size, size + 1) and (size, 4)
};

// The offsets of the query's pairs, behind those that the tile has.
void add_row(const Problem& problem, int64_t i, Tile& tile) {
  float *x = tile.offset, *y = x + tile.capacity, *z = y + tile.capacity;
  const int32_t* row = problem.neighbours + i * problem.K;
  const float *from = problem.queries + 3 * i, scale = problem.inverse_radius;
  const float fx = from[0], fy = from[1], fz = from[2];
  int64_t count = tile.count;
  for (int64_t k = 0; k < problem.K; ++k) {
    // Without a branch, which nobody could predict: the next pair overwrites what is missing.
    const bool present = static_cast<uint32_t>(row[k]) < static_cast<uint64_t>(problem.N);
    const int64_t j = row[k] & -static_cast<int64_t>(present);
    const float* to = problem.supports + 3 * j;
    x[count] = (to[0] - fx) * scale;
    y[count] = (to[1] - fy) * scale;
    z[count] = (to[2] - fz) * scale;
    count += present;
  }
  tile.count = count;
}

// Makes `rows` of (rows, capacity) 0 past the last pair.
void end_rows(const Tile& tile, float* values, int rows) {
  for (int q = 0; q < rows; ++q)
    for (int64_t p = tile.count; p < tile.vectors() * W; ++p) values[q * tile.capacity + p] = 0.0f;
}

// process() for every tile of the queries' pairs; returns how many pairs there are.
template <typename Process>
int64_t each_tile(const Problem& problem, Tile& tile, int64_t begin, int64_t end,
                  Process&& process) {
  int64_t pairs = 0;
  if (problem.N == 0) return pairs;
  for (int64_t i = begin; i < end; ++i) {
    add_row(problem, i, tile);
    if (tile.count < kTilePairs && i + 1 < end) continue;
    end_rows(tile, tile.offset, 3);
    if (problem.lifts && problem.R == 8)
      run_perceptrons<8, 8>(problem, tile);  // the lift alone: there are no scores
    else if (problem.lifts)
      run_perceptrons<0, 0>(problem, tile);
    end_rows(tile, tile.r, problem.R);
    process();
    pairs += tile.count;
    tile.count = 0;
  }
  return pairs;
}

// total (size, size + 1) += x (x, 1)ᵀ, without the lower half of x xᵀ. FSize is the size or 0; with it
// rows are unrolled, from FRow on, and sums stay in registers.
template <int FSize, int FRow = 0>
void add_products(Workspace& work) {
  const int size = FSize ? FSize : work.size;
  for (int a = FRow; a < (FSize ? FRow + 1 : size); ++a) {
    const float* left = work.x + a * work.tile.capacity;
    Vec sum{}, products[FSize ? FSize : kMaxLifted]{};
    for (int64_t p = 0; p < work.tile.count; p += W) {
      sum += load(left + p);
      for (int b = a; b < size; ++b)
        products[b] += load(left + p) * load(work.x + b * work.tile.capacity + p);
    }
    for (int b = a; b < size; ++b) work.total[a * (size + 1) + b] += products[b];
    work.total[a * (size + 1) + size] += sum;
  }
  if constexpr (FRow + 1 < FSize) add_products<FSize, FRow + 1>(work);
}

// total (R, 4) += dr (offset, 1)ᵀ with dr = grad (r, 1) where the lift's relu is open. FR is R or 0.
template <int FR>
void add_gradients(Workspace& work, const float* grad) {
  constexpr int kAtOnce = FR == 8 && W == 16 ? 4 : 1;  // rows whose sums stay in registers
  const int R = FR ? FR : work.size;
  const int64_t capacity = work.tile.capacity;
  for (int first = 0; first < R; first += kAtOnce) {
    Vec sums[kAtOnce][4]{};
    for (int64_t p = 0; p < work.tile.count; p += W) {
      Vec r[FR ? FR : kMaxLifted], offset[3];
      for (int q = 0; q < R; ++q) r[q] = load(work.tile.r + q * capacity + p);
      for (int c = 0; c < 3; ++c) offset[c] = load(work.tile.offset + c * capacity + p);
      for (int k = 0; k < kAtOnce; ++k) {
        const float* row = grad + (first + k) * (R + 1);
        Vec dr = splat(row[R]);
        for (int q = 0; q < R; ++q) dr += r[q] * row[q];
        dr = where(r[first + k] > 0.0f, dr, Vec{});
        for (int c = 0; c < 3; ++c) sums[k][c] += dr * offset[c];
        sums[k][3] += dr;
      }
    }
    for (int k = 0; k < kAtOnce; ++k)
      for (int c = 0; c < 4; ++c) work.total[(first + k) * 4 + c] += sums[k][c];
  }
}

}  // namespace

int64_t pair_moments_scratch_bytes(const Problem& problem) {
  Scratch scratch(nullptr);
  Workspace(problem, scratch);
  return scratch.used(nullptr);
}

void pair_moments(const Problem& problem, int64_t begin, int64_t end, float* gram,
                  void* scratch_memory) {
  Scratch scratch(scratch_memory);
  Workspace work(problem, scratch);
  work.initialise();
  const int size = work.size, row = size + 1;
  const int64_t pairs = each_tile(problem, work.tile, begin, end, [&] {
    if (size == 3)
      add_products<3>(work);
    else if (size == 8)
      add_products<8>(work);
    else
      add_products<0>(work);
  });
  for (int a = 0; a < size; ++a)
    for (int b = a; b <= size; ++b) gram[a * row + b] = gram[b * row + a] = sum(work.total[a * row + b]);
  gram[size * row + size] = static_cast<float>(pairs);
}

void pair_moments_backward(const Problem& problem, const float* grad, int64_t begin, int64_t end,
                           float* partial, void* scratch_memory) {
  const GradientLayout at(problem.R, 0, 0, 0);
  Scratch scratch(scratch_memory);
  Workspace work(problem, scratch);
  work.initialise();
  each_tile(problem, work.tile, begin, end, [&] {
    if (problem.R == 8)
      add_gradients<8>(work, grad);
    else
      add_gradients<0>(work, grad);
  });
  for (int q = 0; q < problem.R; ++q) {
    for (int c = 0; c < 3; ++c) partial[at.lift_w + 3 * q + c] = sum(work.total[4 * q + c]);
    partial[at.lift_b + q] = sum(work.total[4 * q + 3]);
  }
}

}  // namespace salanet::SALANET_ISA
