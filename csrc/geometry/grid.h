// The occupied cells of a regular grid over stacked clouds, and reductions over each cell's points.
#pragma once

#include <cstdint>
#include <vector>

#include "geometry/uninitialised.h"

namespace salanet {

class Grid {
 public:
  // Cell of a point: floor(p / cell_size) in double. Cells are in the order of cloud, z, y, x.
  template <typename T>
  Grid(const T* points, int64_t count, double cell_size, const int64_t* splits, int64_t clouds,
       int threads);

  int64_t points() const { return rows_.size(); }
  int64_t count() const { return static_cast<int64_t>(starts_.size()) - 1; }
  const std::vector<int64_t>& splits() const { return splits_; }

  // values (N, columns) -> out (count, columns): means, summed in double in the order of the rows.
  template <typename T, typename Out>
  void mean(const T* values, int64_t columns, Out* out, int threads) const;

  // labels (N,) -> out (count,): the most frequent; the lowest wins ties, a negative one only
  // where all are negative.
  template <typename T>
  void majority(const T* labels, T* out, int threads) const;

  // out (N,): the cell of each point.
  void cells(int32_t* out, int threads) const;

 private:
  template <typename Item, typename Key, typename Row>
  void find_cells(const Item* items, int threads, Key&& key, Row&& row);

  template <int width, typename T, typename Out>
  void mean_columns(const T* values, int64_t columns, Out* out, int threads) const;

  Uninitialised<int32_t> rows_;  // of the points, cell by cell, ascending inside a cell
  std::vector<int32_t> starts_;  // (count + 1,) where each cell begins in rows_
  std::vector<int64_t> splits_;
};

}  // namespace salanet
