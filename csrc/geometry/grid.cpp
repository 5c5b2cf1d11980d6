#include "geometry/grid.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "common/parallel.h"
#include "common/data_error.h"
#include "geometry/radix.h"
#include "geometry/uninitialised.h"

namespace salanet {
namespace {

constexpr int64_t kGrain = 1 << 15;
constexpr int64_t kAhead = 24;  // rows between asking the memory for a point and using it

inline void prefetch([[maybe_unused]] const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#endif
}

// The lowest and highest of each coordinate.
template <typename T>
std::array<std::pair<double, double>, 3> range(const T* points, int64_t count, int threads) {
  constexpr T inf = std::numeric_limits<T>::infinity();
  using Ranges = std::array<std::pair<T, T>, 3>;
  constexpr std::pair<T, T> none{inf, -inf};
  std::vector<Ranges> parts(static_cast<size_t>((count + kGrain - 1) / kGrain));
  std::atomic<int64_t> bad{count};
  parallel_for(count, kGrain, threads, [&](int64_t begin, int64_t end, int64_t part) {
    Ranges ranges{none, none, none};
    T zero = 0;  // turns NaN at the first value that is not finite
    for (int64_t i = begin; i < end; ++i) {
      for (size_t axis = 0; axis < 3; ++axis) {
        const T value = points[3 * i + static_cast<int64_t>(axis)];
        zero += value * 0;
        ranges[axis].first = std::min(ranges[axis].first, value);
        ranges[axis].second = std::max(ranges[axis].second, value);
      }
    }
    parts[static_cast<size_t>(part)] = ranges;
    if (zero == 0) return;
    int64_t row = begin;
    while (std::isfinite(points[3 * row]) && std::isfinite(points[3 * row + 1]) &&
           std::isfinite(points[3 * row + 2]))
      ++row;
    int64_t known = bad.load();
    while (row < known && !bad.compare_exchange_weak(known, row)) {
    }
  });
  if (bad < count)
    throw DataError("point " + std::to_string(bad.load()) +
                    " of points has a NaN or infinite coordinate");
  std::array<std::pair<double, double>, 3> whole{none, none, none};
  for (const Ranges& ranges : parts) {
    for (size_t axis = 0; axis < 3; ++axis) {
      whole[axis].first = std::min(whole[axis].first, double{ranges[axis].first});
      whole[axis].second = std::max(whole[axis].second, double{ranges[axis].second});
    }
  }
  return whole;
}

int64_t floor_to_int(double value) {
  const auto truncated = static_cast<int64_t>(value);
  return truncated - (static_cast<double>(truncated) > value);
}

template <typename T>
T vote(std::vector<T>& labels) {
  std::sort(labels.begin(), labels.end());
  auto first = std::lower_bound(labels.begin(), labels.end(), T{0});
  if (first == labels.end()) first = labels.begin();
  T winner = *first;
  std::ptrdiff_t votes = 0;
  for (auto end = first; first != labels.end(); first = end) {
    end = std::upper_bound(first, labels.end(), *first);
    if (end - first > votes) {
      votes = end - first;
      winner = *first;
    }
  }
  return winner;
}

}  // namespace

template <typename T>
Grid::Grid(const T* points, int64_t count, double cell_size, const int64_t* splits,
           int64_t clouds, int threads)
    : rows_(count), starts_{0}, splits_(static_cast<size_t>(clouds + 1)) {
  if (count == 0) return;
  const auto extent = range(points, count, threads);
  std::array<int64_t, 3> low{};
  std::array<int, 3> bits{};
  for (size_t axis = 0; axis < 3; ++axis) {
    const double first = std::floor(extent[axis].first / cell_size);
    const double last = std::floor(extent[axis].second / cell_size);
    if (!(std::abs(first) < 0x1p53 && std::abs(last) < 0x1p53))
      throw DataError("cells of " + std::to_string(cell_size) +
                      " are too small for coordinates this large");
    low[axis] = static_cast<int64_t>(first);
    bits[axis] = bits_for(static_cast<uint64_t>(static_cast<int64_t>(last) - low[axis]));
  }
  const int cloud_bits = bits_for(static_cast<uint64_t>(clouds - 1));
  const int y_shift = bits[0], z_shift = y_shift + bits[1], cloud_shift = z_shift + bits[2];
  const int key_bits = cloud_shift + cloud_bits;
  if (key_bits > 64)
    throw DataError("the points span too many cells of " + std::to_string(cell_size) +
                    " to number them in 64 bits: use larger cells, or remove far outliers");

  // key(i, cloud) for ascending i; the cloud is found along the way.
  const auto key = [&](int64_t i, int64_t& cloud) {
    while (i >= splits[cloud + 1]) ++cloud;
    const auto cell = [&](int64_t axis) {
      return static_cast<uint64_t>(floor_to_int(double{points[3 * i + axis]} / cell_size) -
                                   low[static_cast<size_t>(axis)]);
    };
    uint64_t packed = cell(0) | cell(1) << y_shift | cell(2) << z_shift;
    if (cloud_bits > 0) packed |= static_cast<uint64_t>(cloud) << cloud_shift;
    return packed;
  };
  const auto make_items = [&](auto* items, auto&& item) {
    parallel_for(count, kGrain, threads, [&](int64_t begin, int64_t end, int64_t) {
      int64_t cloud = std::upper_bound(splits, splits + clouds + 1, begin) - splits - 1;
      for (int64_t i = begin; i < end; ++i)
        items[i] = item(key(i, cloud), static_cast<uint64_t>(i));
    });
  };
  const int index_bits = bits_for(static_cast<uint64_t>(count - 1));
  if (key_bits + index_bits <= 64) {
    const Uninitialised<uint64_t> items(count), scratch(count);
    make_items(items.get(), [&](uint64_t k, uint64_t i) { return k << index_bits | i; });
    radix_sort(items.get(), scratch.get(), count, index_bits, index_bits + key_bits, threads);
    const uint64_t mask = (uint64_t{1} << index_bits) - 1;
    find_cells(items.get(), threads, [=](uint64_t item) { return item >> index_bits; },
               [=](uint64_t item) { return static_cast<int32_t>(item & mask); });
  } else {
    const Uninitialised<WideItem> items(count), scratch(count);
    make_items(items.get(), [](uint64_t k, uint64_t i) { return WideItem{k, i}; });
    radix_sort(items.get(), scratch.get(), count, 0, key_bits, threads);
    find_cells(items.get(), threads, [](const WideItem& item) { return item.key; },
               [](const WideItem& item) { return static_cast<int32_t>(item.index); });
  }
  // A cell belongs to the cloud of its first point.
  for (size_t cloud = 0; cloud < splits_.size(); ++cloud)
    splits_[cloud] = std::partition_point(starts_.begin(), starts_.end() - 1,
                                          [&](int32_t start) {
                                            return rows_[start] <
                                                   splits[cloud];
                                          }) -
                     starts_.begin();
}

// Fills rows_ and starts_ from sorted items.
template <typename Item, typename Key, typename Row>
void Grid::find_cells(const Item* items, int threads, Key&& key, Row&& row) {
  const int64_t count = points();
  const auto begins = [&](int64_t i) { return i == 0 || key(items[i]) != key(items[i - 1]); };
  std::vector<int64_t> offsets(static_cast<size_t>((count + kGrain - 1) / kGrain));
  parallel_for(count, kGrain, threads, [&](int64_t begin, int64_t end, int64_t part) {
    int64_t found = 0;
    for (int64_t i = begin; i < end; ++i) found += begins(i);
    offsets[static_cast<size_t>(part)] = found;
  });
  int64_t total = 0;
  for (int64_t& offset : offsets) total += std::exchange(offset, total);
  starts_.resize(static_cast<size_t>(total + 1));
  starts_.back() = static_cast<int32_t>(count);
  parallel_for(count, kGrain, threads, [&](int64_t begin, int64_t end, int64_t part) {
    auto start = starts_.begin() + offsets[static_cast<size_t>(part)];
    for (int64_t i = begin; i < end; ++i) {
      rows_[i] = row(items[i]);
      if (begins(i)) *start++ = static_cast<int32_t>(i);
    }
  });
}

// Means of `width` columns, so few that their sums stay in registers.
template <int width, typename T, typename Out>
void Grid::mean_columns(const T* values, int64_t columns, Out* out, int threads) const {
  parallel_for(count(), kGrain / 8, threads, [&](int64_t begin, int64_t end, int64_t) {
    int64_t at = starts_[static_cast<size_t>(begin)];
    for (int64_t cell = begin; cell < end; ++cell) {
      const int32_t points =
          starts_[static_cast<size_t>(cell + 1)] - starts_[static_cast<size_t>(cell)];
      double sums[width] = {};
      for (int32_t i = 0; i < points; ++i, ++at) {
        prefetch(values + rows_[std::min(at + kAhead, rows_.size() - 1)] * columns);
        const T* value = values + rows_[at] * columns;
        for (int c = 0; c < width; ++c) sums[c] += static_cast<double>(value[c]);
      }
      for (int c = 0; c < width; ++c) out[cell * columns + c] = static_cast<Out>(sums[c] / points);
    }
  });
}

template <typename T, typename Out>
void Grid::mean(const T* values, int64_t columns, Out* out, int threads) const {
  int64_t c = 0;
  for (; columns - c > 4; c += 4) mean_columns<4>(values + c, columns, out + c, threads);
  if (columns - c == 4) mean_columns<4>(values + c, columns, out + c, threads);
  if (columns - c == 3) mean_columns<3>(values + c, columns, out + c, threads);
  if (columns - c == 2) mean_columns<2>(values + c, columns, out + c, threads);
  if (columns - c == 1) mean_columns<1>(values + c, columns, out + c, threads);
}

template <typename T>
void Grid::majority(const T* labels, T* out, int threads) const {
  parallel_for(count(), kGrain / 4, threads, [&](int64_t begin, int64_t end, int64_t) {
    std::vector<T> votes;
    for (int64_t cell = begin; cell < end; ++cell) {
      const auto first = rows_.get() + starts_[static_cast<size_t>(cell)];
      const auto last = rows_.get() + starts_[static_cast<size_t>(cell + 1)];
      const T label = labels[*first];
      if (std::all_of(first, last, [&](int32_t row) { return labels[row] == label; })) {
        out[cell] = label;
        continue;
      }
      votes.clear();
      for (auto row = first; row != last; ++row) votes.push_back(labels[*row]);
      out[cell] = vote(votes);
    }
  });
}

void Grid::cells(int32_t* out, int threads) const {
  parallel_for(count(), kGrain / 4, threads, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t cell = begin; cell < end; ++cell)
      for (int32_t i = starts_[static_cast<size_t>(cell)];
           i < starts_[static_cast<size_t>(cell + 1)]; ++i)
        out[rows_[i]] = static_cast<int32_t>(cell);
  });
}

#define SALANET_GRID_POINTS(T) \
  template Grid::Grid(const T*, int64_t, double, const int64_t*, int64_t, int);
SALANET_GRID_POINTS(float)
SALANET_GRID_POINTS(double)

#define SALANET_GRID_MEAN(T)                                             \
  template void Grid::mean(const T*, int64_t, float*, int) const;        \
  template void Grid::mean(const T*, int64_t, double*, int) const;
SALANET_GRID_MEAN(uint8_t)
SALANET_GRID_MEAN(float)
SALANET_GRID_MEAN(double)

#define SALANET_GRID_MAJORITY(T) template void Grid::majority(const T*, T*, int) const;
SALANET_GRID_MAJORITY(uint8_t)
SALANET_GRID_MAJORITY(int16_t)
SALANET_GRID_MAJORITY(int32_t)
SALANET_GRID_MAJORITY(int64_t)

}  // namespace salanet
