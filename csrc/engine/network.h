// The U-Net of salanet.models.unet at inference: batch norms folded, the whole of it run block by
// block.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "engine/aggregation.h"
#include "engine/config.h"
#include "engine/dense.h"
#include "engine/pyramid.h"

namespace salanet {

constexpr int kAggregations = 2 * kLevels;

// 1x1 -> aggregation -> 1x1, plus a shortcut. The aggregation of a strided block gathers on the
// finer level; its shortcut is the maximum over the same neighbours.
struct Residual {
  Dense reduce;
  std::unique_ptr<Aggregation> aggregation;
  // Of the aggregated features, and unless the shortcut is the identity what it takes, behind them.
  Dense expand;
  std::unique_ptr<NeighbourMax> maximum;  // of a strided block
};

struct Network {
  // DataError: the tensors are not those of such a network.
  Network(const Config& config, const Weights& weights);

  int64_t width, classes, in_channels;
  Dense input;
  std::unique_ptr<Aggregation> first;
  std::array<Residual, kLevels> residual;
  std::array<Residual, kLevels - 1> strided;  // from a level to the next
  // The decoder's layer at a level: of the coarser features, before they are spread, and of the
  // level's own.
  std::array<Dense, kLevels - 1> up_coarse, up_own;
  Dense head, classifier;
  std::unique_ptr<Spare> spare = std::make_unique<Spare>();  // of runs; changes nothing they find

  int64_t channels(int level) const { return width << level; }
  int64_t decoded(int level) const { return (width << level) / 2; }
};

// Time that threads have worked, in seconds over all of them; what a profile shows.
struct Shares {
  double products = 0, aggregations = 0, rest = 0;
};

// Of the dense layers: float32, or inputs and weights rounded to bfloat16 where processor and system
// have the products for it (tiles::available). Sums and aggregations are in float32.
enum class Precision { float32, bf16 };

struct RunOptions {
  int threads;
  Precision precision = Precision::float32;
  bool consume = false;  // the pyramid's tables are freed as soon as they are not needed
};

// features (N, in_channels) of the finest level -> logits (N, classes). The same bits for any
// number of threads.
void run(const Network& network, const float* features, Pyramid& pyramid, float* logits,
         const RunOptions& options, Shares* shares = nullptr);

// The memory that `run` takes beside its arguments, in bytes.
int64_t run_bytes(const Network& network, const Pyramid& pyramid, const RunOptions& options);

}  // namespace salanet
