#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace salanet {

constexpr size_t kHugePage = size_t{1} << 21;

// Asks for huge pages where there are some, for memory about to be filled: faulting in small ones
// takes as long as the work.
inline void advise_huge_pages([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
  const auto begin = reinterpret_cast<uintptr_t>(data);
  const uintptr_t first = (begin + kHugePage - 1) & ~(kHugePage - 1);
  const uintptr_t last = (begin + bytes) & ~(kHugePage - 1);
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

// Memory whose first touch is left to the threads that fill it.
template <typename T>
class Uninitialised {
 public:
  explicit Uninitialised(int64_t count) : size_(count) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(T);
    alignment_ = std::align_val_t{bytes < 2 * kHugePage ? 64 : kHugePage};
    data_ = static_cast<T*>(::operator new(bytes, alignment_));
    advise_huge_pages(data_, bytes);
  }
  ~Uninitialised() { ::operator delete(data_, alignment_); }
  Uninitialised(const Uninitialised&) = delete;
  Uninitialised& operator=(const Uninitialised&) = delete;
  T* get() const { return data_; }
  int64_t size() const { return size_; }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  int64_t size_;
  std::align_val_t alignment_;
  T* data_;
};

}  // namespace salanet
