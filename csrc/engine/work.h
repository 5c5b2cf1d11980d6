// What the threads of a run work with: scratch memory, clocks, parts of a level.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <limits>
#include <mutex>
#include <vector>

#include "common/parallel.h"
#include "engine/pyramid.h"

namespace salanet {

// Pieces of scratch memory, one for each thread at work.
class Slots {
 public:
  explicit Slots(int count) : taken_(static_cast<size_t>(count)) {}

  class Lease {
   public:
    explicit Lease(Slots& slots) : slots_(slots) {
      while (slots_.taken_[slot_].exchange(true, std::memory_order_acquire))
        slot_ = (slot_ + 1) % slots_.taken_.size();
    }
    ~Lease() { slots_.taken_[slot_].store(false, std::memory_order_release); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    int64_t number() const { return static_cast<int64_t>(slot_); }

   private:
    Slots& slots_;
    size_t slot_ = 0;
  };

 private:
  std::vector<std::atomic<bool>> taken_;
};

// Nanoseconds that the calling thread has worked; where the system does not tell, of the clock.
inline int64_t worked() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1000000000 + time.tv_nsec;
#else
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
#endif
}

// Adds up what it sees of its life, where a profile is wanted.
class Clock {
 public:
  explicit Clock(std::atomic<int64_t>* total) : total_(total), start_(total ? worked() : 0) {}
  ~Clock() {
    if (total_ != nullptr) *total_ += worked() - start_;
  }
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;

 private:
  std::atomic<int64_t>* total_;
  int64_t start_;
};

struct Range {
  int64_t begin, end;
  int64_t count() const { return end - begin; }
};

// Some queries, and the rows that hold all their neighbours.
struct Part {
  Range queries, rows;
};

// The queries of a table (count, k) of rows below `rows` in parts: two of a large level, whose
// points are in the order of their cells, so that either needs little more than half of the rows.
// Parts begin at a multiple of `panel`.
inline std::vector<Part> parts_of(const int32_t* table, int64_t count, int64_t k, int64_t rows,
                                  int64_t panel, int threads) {
  const Range all{0, rows};
  if (rows <= kLarge || count < 2 * panel) return {{{0, count}, all}};
  const int64_t middle = count / 2 / panel * panel;
  std::vector<Part> parts{{{0, middle}, {rows, 0}}, {{middle, count}, {rows, 0}}};
  std::mutex mutex;
  for (Part& part : parts) {
    parallel_for(part.queries.count(), int64_t{1} << 14, threads,
                 [&](int64_t begin, int64_t end, int64_t) {
                   int32_t least = std::numeric_limits<int32_t>::max(), greatest = -1;
                   const int32_t* at = table + k * (part.queries.begin + begin);
                   for (int64_t i = 0; i < k * (end - begin); ++i) {
                     least = std::min(least, at[i]);
                     greatest = std::max(greatest, at[i] < rows ? at[i] : -1);
                   }
                   const std::lock_guard<std::mutex> lock(mutex);
                   part.rows.begin = std::min<int64_t>(part.rows.begin, least);
                   part.rows.end = std::max<int64_t>(part.rows.end, greatest + 1);
                 });
    part.rows.begin = std::min(part.rows.begin, part.rows.end) / panel * panel;
  }
  return parts;
}

}  // namespace salanet
