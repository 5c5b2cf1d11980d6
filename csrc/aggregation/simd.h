// Vectors of the width of the instruction set that a kernel file is compiled for.
//
// Everything is in namespace salanet::${SALANET_ISA}, because the same inline function compiled for
// two sets must stay two functions. For the same reason kernel files include no standard header
// with templates or inline functions that could be shared across sets.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace salanet::SALANET_ISA {

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif

typedef float Vec __attribute__((vector_size(W * 4)));
typedef int32_t IVec __attribute__((vector_size(W * 4)));
typedef float Vec8 __attribute__((vector_size(32)));
typedef float Vec4 __attribute__((vector_size(16)));

template <typename V>
inline V load_as(const void* p) {
  V v;
  std::memcpy(&v, p, sizeof(V));
  return v;
}
template <typename V>
inline void store_as(void* p, V v) {
  std::memcpy(p, &v, sizeof(V));
}
inline Vec load(const float* p) { return load_as<Vec>(p); }
inline void store(float* p, Vec v) { store_as(p, v); }

inline Vec splat(float x) { return x - Vec{}; }  // unlike 0 + x, x - 0 is free
inline IVec splat(int32_t x) { return IVec{} + x; }

inline Vec max(Vec a, Vec b) {  // b where either is NaN
#if defined(__AVX512F__)
  return _mm512_max_ps(a, b);
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

inline Vec where(IVec mask, Vec a, Vec b) { return mask ? a : b; }
inline IVec where(IVec mask, IVec a, IVec b) { return mask ? a : b; }

// window[index[lane]] for index < W; `window` must have W readable floats.
inline Vec permute(const float* window, IVec index) {
#if defined(__AVX512F__)
  return _mm512_permutexvar_ps((__m512i)index, load(window));
#elif defined(__AVX2__)
  return _mm256_permutevar8x32_ps(load(window), (__m256i)index);
#else
  Vec v;
  for (int lane = 0; lane < W; ++lane) v[lane] = window[index[lane]];
  return v;
#endif
}

inline float sum(Vec4 v) { return (v[0] + v[2]) + (v[1] + v[3]); }
inline float sum(Vec8 v) {
  Vec4 halves[2];
  std::memcpy(halves, &v, sizeof(v));
  return sum(halves[0] + halves[1]);
}
#if defined(__AVX512F__)
inline float sum(Vec v) {
  Vec8 halves[2];
  std::memcpy(halves, &v, sizeof(v));
  return sum(halves[0] + halves[1]);
}
#endif

inline float sum(const float* p, int64_t n) {
  Vec total{};
  int64_t k = 0;
  for (; k + W <= n; k += W) total += load(p + k);
  float rest = sum(total);
  for (; k < n; ++k) rest += p[k];
  return rest;
}

// e^x for x <= 0, relative error below 2e-7; 0 below -87. e^x = 2^n e^f with |f| <= ln(2)/2.
inline Vec exp_negative(Vec x) {
  const Vec clamped = max(x, splat(-87.0f));
  const Vec shifted = clamped * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: rounds to an integer
  const Vec n = shifted - 12582912.0f;
  const Vec f = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  Vec p = splat(1.0f / 5040);
  p = p * f + 1.0f / 720;
  p = p * f + 1.0f / 120;
  p = p * f + 1.0f / 24;
  p = p * f + 1.0f / 6;
  p = p * f + 0.5f;
  p = p * f + 1.0f;
  p = p * f + 1.0f;
  IVec exponent;
  std::memcpy(&exponent, &shifted, sizeof(exponent));
  IVec bits;
  std::memcpy(&bits, &p, sizeof(bits));
  bits += exponent << 23;  // the low bits of `shifted` hold n; those above fall off
  Vec result;
  std::memcpy(&result, &bits, sizeof(result));
  return where(x < -87.0f, Vec{}, result);
}

// Writes first + k for every byte k that equals `value` to `found`, which has room for n + 16;
// returns how many there are.
inline int64_t find_equal(const uint8_t* bytes, int64_t n, int64_t value, int32_t first,
                          int32_t* found) {
  int64_t count = 0;
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  // Without branches, which nobody could predict here.
  __m512i position = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  position = _mm512_add_epi32(position, _mm512_set1_epi32(first));
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(value));
  for (int64_t k = 0; k < n; k += 16) {
    const __mmask16 inside = n - k >= 16 ? 0xffff : static_cast<__mmask16>((1 << (n - k)) - 1);
    const __m128i chunk = _mm_maskz_loadu_epi8(inside, bytes + k);
    const __mmask16 equal = _mm_mask_cmpeq_epi8_mask(inside, chunk, wanted);
    _mm512_storeu_si512(found + count, _mm512_maskz_compress_epi32(equal, position));
    count += __builtin_popcount(equal);
    position = _mm512_add_epi32(position, _mm512_set1_epi32(16));
  }
#else
  constexpr uint64_t kOnes = 0x0101010101010101u, kLow = 0x7f7f7f7f7f7f7f7fu;
  const uint64_t wanted = static_cast<uint64_t>(value) * kOnes;
  for (int64_t k = 0; k < n; k += 8) {
    uint64_t word = ~wanted;  // bytes past the end match nothing
    if (k + 8 <= n)
      std::memcpy(&word, bytes + k, 8);
    else
      std::memcpy(&word, bytes + k, n - k);
    word ^= wanted;
    for (uint64_t hits = ~(((word & kLow) + kLow) | word | kLow); hits; hits &= hits - 1)
      found[count++] = static_cast<int32_t>(first + k + __builtin_ctzll(hits) / 8);
  }
#endif
  return count;
}

// A pointer moving through scratch memory that the caller owns. Every piece starts on a cache line.
class Scratch {
 public:
  explicit Scratch(void* memory) : next_(reinterpret_cast<uintptr_t>(memory)) {}

  template <typename T>
  T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(next_);
    next_ += static_cast<uintptr_t>((count * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64);
    return piece;
  }
  int64_t used(const void* memory) const {
    return static_cast<int64_t>(next_ - reinterpret_cast<uintptr_t>(memory));
  }

 private:
  uintptr_t next_;  // a number: sizes are asked of scratch memory at null
};

}  // namespace salanet::SALANET_ISA
