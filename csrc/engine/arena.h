// One piece of memory for arrays that live for some of the passes of a run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace salanet {

class Arena {
 public:
  // An array of so many floats, written in pass `first` and read last in pass `last`.
  int add(int64_t floats, int first, int last) {
    const int64_t rounded = (floats + 15) / 16 * 16;  // of a cache line
    arrays_.push_back({rounded, first, last, 0});
    return static_cast<int>(arrays_.size()) - 1;
  }

  // Gives every array the lowest place where no array of the same time is, the largest first.
  void plan() {
    std::vector<size_t> order(arrays_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return arrays_[a].floats > arrays_[b].floats;
    });
    std::vector<size_t> placed;
    for (const size_t i : order) {
      Array& array = arrays_[i];
      std::vector<Array> others;
      for (const size_t other : placed)
        if (arrays_[other].first <= array.last && array.first <= arrays_[other].last)
          others.push_back(arrays_[other]);
      std::sort(others.begin(), others.end(),
                [](const Array& a, const Array& b) { return a.offset < b.offset; });
      for (const Array& other : others)
        if (array.offset + array.floats > other.offset)
          array.offset = std::max(array.offset, other.offset + other.floats);
      placed.push_back(i);
      size_ = std::max(size_, array.offset + array.floats);
    }
  }

  int64_t offset(int array) const { return arrays_[static_cast<size_t>(array)].offset; }
  int64_t size() const { return size_; }  // in floats

 private:
  struct Array {
    int64_t floats;
    int first, last;
    int64_t offset;
  };

  std::vector<Array> arrays_;
  int64_t size_ = 0;
};

}  // namespace salanet
