#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace salanet {

// Memory whose first touch is left to the threads that fill it, in huge pages where there are some:
// faulting in small ones takes as long as sorting.
template <typename T>
class Uninitialised {
 public:
  explicit Uninitialised(int64_t count) : size_(count) {
    constexpr size_t huge = size_t{1} << 21;
    const size_t bytes = static_cast<size_t>(count) * sizeof(T);
    const size_t alignment = bytes < 2 * huge ? 64 : huge;
    data_ = static_cast<T*>(::operator new(bytes, alignment_ = std::align_val_t{alignment}));
#if defined(__linux__)
    if (alignment == huge) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
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
