// SALA forward: every neighbour's projected row is read once, the running maxima stay in registers.
#include "aggregation/packed.h"
#include "aggregation/tile.h"

namespace salanet::SALANET_ISA {

namespace {

constexpr int64_t kTilePairs = 256;       // their r, a and h stay in the first-level cache
constexpr int kBlocks = W == 16 ? 3 : 1;  // blocks at a time; their weights stay in registers
constexpr int64_t kPrefetch = 12;         // pairs ahead
constexpr int kAnyRows = -1;              // position_w with R other than 8

enum class Mode { max, max_slots, sum };

struct Points {  // the queries of a tile
  int64_t count;
  int32_t* start;  // (count + 1): the pairs of each
  float* flat;     // (count, max(D, W)): reduced but not yet summed over groups
  uint8_t* slots;  // (count, D) or null
};

int64_t points_per_tile(const Problem& problem) {
  const int64_t points = problem.K > 0 ? kTilePairs / problem.K : kTilePairs;
  return points > 0 ? points : 1;
}

int64_t flat_width(const Problem& problem) { return problem.D() < W ? W : problem.D(); }

void store_slots(uint8_t* p, IVec slots, int64_t lanes) {
  typedef uint8_t Bytes __attribute__((vector_size(W)));
  const Bytes bytes = __builtin_convertvector(slots, Bytes);
  if (lanes >= W)
    std::memcpy(p, &bytes, W);
  else
    std::memcpy(p, &bytes, lanes);
}

// B blocks from `block` on, for every query of the tile. R: rows of position_w, 0, 8 or kAnyRows.
template <int R, int B, Mode kMode>
void reduce_blocks(const Problem& problem, const Packed& packed, int64_t block, const Tile& tile,
                   const Points& points) {
  const int rows = R == kAnyRows ? packed.rows : R;
  const int S = problem.S;
  const int64_t D = problem.D(), stride = problem.stride, capacity = tile.capacity;
  const Vec floor = splat(problem.floor);
  const float* row_start[B];
  const float* weight_start[B];  // of h
  IVec index[B];
  Vec bias[B], weight[B][R > 0 ? R : 1];
  for (int b = 0; b < B; ++b) {
    row_start[b] = problem.projected + packed.column[block + b];
    weight_start[b] = tile.h + packed.group[block + b];
    index[b] = packed.index[block + b];
    bias[b] = packed.bias[block + b];
    for (int q = 0; q < R; ++q) weight[b][q] = packed.weight[(block + b) * rows + q];
  }

  for (int64_t point = 0; point < points.count; ++point) {
    const int64_t begin = points.start[point], end = points.start[point + 1];
    Vec best[B];
    IVec winner[B]{};
    for (int b = 0; b < B; ++b)
      best[b] = splat(kMode == Mode::sum || begin == end ? 0.0f : -__builtin_inff());
    for (int64_t p = begin; p < end; ++p) {
      const int64_t row = tile.support[p] * stride;
      const int64_t ahead = tile.support[p + kPrefetch] * stride;
      Vec z[B];
      for (int b = 0; b < B; ++b) {
        __builtin_prefetch(row_start[b] + ahead);
        if (b + 1 == B) __builtin_prefetch(row_start[b] + ahead + W - 1);
        z[b] = load(row_start[b] + row) + bias[b];
      }
      for (int q = 0; q < rows; ++q) {
        const Vec r = splat(tile.r[q * capacity + p]);
        for (int b = 0; b < B; ++b)
          z[b] += (R == kAnyRows ? packed.weight[(block + b) * rows + q] : weight[b][q]) * r;
      }
      for (int b = 0; b < B; ++b) {
        const Vec y = max(floor, z[b]) * permute(weight_start[b] + p * S, index[b]);
        if constexpr (kMode == Mode::sum) {
          best[b] += y;
        } else if constexpr (kMode == Mode::max) {
          best[b] = max(y, best[b]);
        } else {
          const IVec better = y > best[b];
          best[b] = where(better, y, best[b]);
          winner[b] = where(better, splat(tile.slot[p]), winner[b]);
        }
      }
    }
    for (int b = 0; b < B; ++b) {
      const int64_t column = packed.column[block + b];
      store(points.flat + point * flat_width(problem) + column, best[b]);
      if constexpr (kMode == Mode::max_slots)
        store_slots(points.slots + point * D + column, winner[b], D - column);
    }
  }
}

template <int R, Mode kMode>
void reduce_tile(const Problem& problem, const Packed& packed, const Tile& tile,
                 const Points& points) {
  int64_t block = 0;
  for (; block + kBlocks <= packed.blocks; block += kBlocks)
    reduce_blocks<R, kBlocks, kMode>(problem, packed, block, tile, points);
  if (kBlocks > 2 && packed.blocks - block == 2)
    reduce_blocks<R, 2, kMode>(problem, packed, block, tile, points);
  else if (kBlocks > 1 && packed.blocks - block == 1)
    reduce_blocks<R, 1, kMode>(problem, packed, block, tile, points);
}

template <Mode kMode>
void reduce_tile(const Problem& problem, const Packed& packed, const Tile& tile,
                 const Points& points) {
  if (packed.rows == 0)
    reduce_tile<0, kMode>(problem, packed, tile, points);
  else if (packed.rows == 8)
    reduce_tile<8, kMode>(problem, packed, tile, points);
  else
    reduce_tile<kAnyRows, kMode>(problem, packed, tile, points);
}

void sum_groups(const Problem& problem, const float* flat, float* out) {
  for (int64_t c = 0; c < problem.C; ++c) out[c] = flat[c];
  for (int g = 1; g < problem.S; ++g)
    for (int64_t c = 0; c < problem.C; ++c) out[c] += flat[g * problem.C + c];
}

struct Workspace {
  Tile tile;
  int32_t* start;
  float* flat;

  Workspace(const Problem& problem, Scratch& scratch)
      : tile(problem, points_per_tile(problem) * problem.K + kPrefetch, scratch) {
    start = scratch.take<int32_t>(points_per_tile(problem) + 1);
    flat = scratch.take<float>(points_per_tile(problem) * flat_width(problem));
  }
};

}  // namespace

int vector_width() { return W; }

int64_t packed_bytes(const Problem& problem) { return Packed(problem, nullptr).bytes; }

void pack(const Problem& problem, void* memory) {
  const Packed packed(problem, memory);
  const int64_t D = problem.D();
  for (int64_t b = 0; b < packed.blocks; ++b) {
    const int64_t column = D > W && b + 1 == packed.blocks ? D - W : b * W;
    const int64_t group = column / problem.C;
    packed.column[b] = static_cast<int32_t>(column);
    packed.group[b] = static_cast<int32_t>(group);
    for (int64_t lane = 0; lane < W; ++lane) {
      const int64_t d = column + lane;
      const bool used = d < D;
      packed.index[b][lane] = used ? static_cast<int32_t>(d / problem.C - group) : 0;
      packed.fresh[b][lane] = used && d >= b * W ? -1 : 0;
      packed.bias[b][lane] = used && problem.bias ? problem.bias[d] : 0.0f;
      for (int q = 0; q < packed.rows; ++q)
        packed.weight[b * packed.rows + q][lane] =
            used ? problem.position_w[d * packed.rows + q] : 0.0f;
    }
  }
}

int64_t forward_scratch_bytes(const Problem& problem) {
  Scratch scratch(nullptr);
  Workspace(problem, scratch);
  return scratch.used(nullptr);
}

void forward(const Problem& problem, const void* memory, int64_t begin, int64_t end, float* out,
             uint8_t* slots, void* scratch_memory) {
  const Packed packed(problem, const_cast<void*>(memory));
  Scratch scratch(scratch_memory);
  Workspace work(problem, scratch);
  Tile& tile = work.tile;
  tile.initialise(problem);
  const int64_t per_tile = points_per_tile(problem);
  for (int64_t first = begin; first < end; first += per_tile) {
    const int64_t count = first + per_tile < end ? per_tile : end - first;
    const Points points{count, work.start, work.flat, slots ? slots + first * problem.D() : nullptr};
    tile.count = 0;
    for (int64_t point = 0; point < count; ++point) {
      work.start[point] = static_cast<int32_t>(tile.count);
      const int32_t* row = problem.neighbours + (first + point) * problem.K;
      for (int64_t k = 0; k < problem.K; ++k)
        if (static_cast<uint32_t>(row[k]) < static_cast<uint64_t>(problem.N))
          tile.add(first + point, row[k], k);
    }
    work.start[count] = static_cast<int32_t>(tile.count);
    for (int64_t p = tile.count; p < tile.count + kPrefetch; ++p) tile.support[p] = 0;

    locate(problem, tile);
    if (problem.sum)
      reduce_tile<Mode::sum>(problem, packed, tile, points);
    else if (slots)
      reduce_tile<Mode::max_slots>(problem, packed, tile, points);
    else
      reduce_tile<Mode::max>(problem, packed, tile, points);
    for (int64_t point = 0; point < count; ++point)
      sum_groups(problem, work.flat + point * flat_width(problem),
                 out + (first + point) * problem.C);
  }
}

}  // namespace salanet::SALANET_ISA
