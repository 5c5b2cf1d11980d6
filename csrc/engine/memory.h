// Memory of the executor: one piece for all that a run needs, cut up by those who use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

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
