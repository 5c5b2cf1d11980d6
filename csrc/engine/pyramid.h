// The levels of one cloud; see salanet.geometry.pyramid.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "geometry/uninitialised.h"

namespace salanet {

constexpr int kLevels = 5;

// Levels of more points than this are worked on with less memory, though not in less time.
constexpr int64_t kLarge = int64_t{1} << 17;

// A table of rows: its own memory or somebody else's.
class Table {
 public:
  Table() = default;
  explicit Table(const int32_t* borrowed) : data_(borrowed) {}
  explicit Table(int64_t count)
      : memory_(std::make_unique<Uninitialised<int32_t>>(count)), data_(memory_->get()) {}

  const int32_t* data() const { return data_; }
  int32_t* own() const { return memory_->get(); }
  // Frees it, if it is its own.
  void drop() {
    if (memory_) memory_.reset(), data_ = nullptr;
  }

 private:
  std::unique_ptr<Uninitialised<int32_t>> memory_;
  const int32_t* data_ = nullptr;
};

struct PyramidLevel {
  int64_t count = 0, k = 0;
  const float* points = nullptr;  // (count, 3)
  float middle[3] = {};           // mean of the points
  Table neighbours;               // (count, k), rows of this level; `count` where missing
  Table pool;                     // (count of the next, k), rows of this level; none at the last
  Table upsample;                 // (count,), the nearest row of the next level; none at the last
  std::unique_ptr<Uninitialised<float>> memory;  // of the points, if they are its own

  void place(const float* given, int64_t size);
};

struct PyramidOptions {
  double grid, radius;  // of the finest level
  std::array<int64_t, kLevels> neighbours;
};

struct Pyramid {
  std::array<PyramidLevel, kLevels> levels;

  // Points (count, 3), count >= 1, one for each cell of the grid; they are borrowed. DataError: a
  // coordinate is not finite, or they reach too far for cells of this size.
  static Pyramid build(const float* points, int64_t count, const PyramidOptions& options,
                       int threads);
};

}  // namespace salanet
