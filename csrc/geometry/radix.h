// Stable radix sort of (key, index) pairs, packed in 64 bits or side by side.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "common/parallel.h"

namespace salanet {

// The index sits in the low bits of the item: the order of whole items is a stable order of keys.
inline uint64_t sort_key(uint64_t item) { return item; }

// For keys that leave no room for the index.
struct WideItem {
  uint64_t key;
  uint64_t index;
};
inline uint64_t sort_key(const WideItem& item) { return item.key; }

// Sorts by the bits [low, high) of the key. `scratch` holds as many items.
template <typename Item>
void radix_sort(Item* items, Item* scratch, int64_t count, int low, int high, int threads) {
  if (count < 2 || high <= low) return;
  const int widest = count < 4096 ? 8 : 11;
  const int passes = (high - low + widest - 1) / widest;
  const int width = (high - low + passes - 1) / passes;
  const int64_t buckets = int64_t{1} << width;
  const int64_t parts = threads > 1 ? std::clamp<int64_t>(count >> 15, 1, 4 * threads) : 1;
  const int64_t grain = (count + parts - 1) / parts;
  std::vector<int64_t> offsets(static_cast<size_t>(parts * buckets));

  Item* from = items;
  Item* to = scratch;
  for (int shift = low; shift < high; shift += width) {
    const uint64_t mask = (uint64_t{1} << std::min(width, high - shift)) - 1;
    const auto digit = [&](const Item& item) { return (sort_key(item) >> shift) & mask; };
    std::fill(offsets.begin(), offsets.end(), 0);
    parallel_for(count, grain, threads, [&](int64_t begin, int64_t end, int64_t part) {
      int64_t* histogram = offsets.data() + part * buckets;
      for (int64_t i = begin; i < end; ++i) ++histogram[digit(from[i])];
    });
    int64_t total = 0;
    bool sorted = false;  // when every item has the same digit
    for (int64_t bucket = 0; bucket < buckets && !sorted; ++bucket) {
      const int64_t before = total;
      for (int64_t part = 0; part < parts; ++part) {
        int64_t& offset = offsets[static_cast<size_t>(part * buckets + bucket)];
        const int64_t size = offset;
        offset = total;
        total += size;
      }
      sorted = total - before == count;
    }
    if (sorted) continue;
    parallel_for(count, grain, threads, [&](int64_t begin, int64_t end, int64_t part) {
      int64_t* next = offsets.data() + part * buckets;
      for (int64_t i = begin; i < end; ++i) to[next[digit(from[i])]++] = from[i];
    });
    std::swap(from, to);
  }
  if (from != items) {
    parallel_for(count, int64_t{1} << 16, threads, [&](int64_t begin, int64_t end, int64_t) {
      std::copy(from + begin, from + end, items + begin);
    });
  }
}

inline int bits_for(uint64_t largest) { return std::bit_width(largest); }

}  // namespace salanet
