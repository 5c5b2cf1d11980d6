// Memory of the executor: one piece for all that a run needs, cut up by those who use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "geometry/uninitialised.h"

namespace salanet {

// FloatArray that begin on a cache line, uninitialised.
class FloatArray {
 public:
  FloatArray() = default;
  explicit FloatArray(int64_t count)
      : memory_(std::make_unique<Uninitialised<float>>(count > 0 ? count : 1)) {}
  float* data() const { return memory_ ? memory_->get() : nullptr; }
  int64_t size() const { return memory_ ? memory_->size() : 0; }

 private:
  std::unique_ptr<Uninitialised<float>> memory_;
};

// Memory of runs that have ended, for those to come: fresh pages take as long to clear as a tenth of
// the work. May be used by several threads.
class Spare {
 public:
  FloatArray take(int64_t count) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (FloatArray& array : kept_)
        if (array.size() >= count) {
          std::swap(array, kept_.back());
          FloatArray found = std::move(kept_.back());
          kept_.pop_back();
          return found;
        }
    }
    return FloatArray(count);
  }

  void give(FloatArray array) {
    const std::lock_guard<std::mutex> lock(mutex_);
    int64_t total = array.size();
    for (const FloatArray& other : kept_) total += other.size();
    if (total > kMost) kept_.clear();
    if (array.size() <= kMost) kept_.push_back(std::move(array));
  }

 private:
  static constexpr int64_t kMost = int64_t{16} << 20;  // floats: 64 MiB

  std::mutex mutex_;
  std::vector<FloatArray> kept_;
};

// Pieces of memory one after the other, each on a cache line.
class Carver {
 public:
  explicit Carver(void* memory)
      : start_(reinterpret_cast<uintptr_t>(memory)), next_(start_) {}
  // To ask how much would be used; its pieces are at no real address.
  static Carver measuring() { return Carver(uintptr_t{64}); }

  template <typename T>
  T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(next_);
    next_ += (static_cast<uintptr_t>(count) * sizeof(T) + 63) / 64 * 64;
    return piece;
  }
  int64_t used() const { return static_cast<int64_t>(next_ - start_); }

 private:
  explicit Carver(uintptr_t start) : start_(start), next_(start) {}

  uintptr_t start_, next_;
};

}  // namespace salanet
