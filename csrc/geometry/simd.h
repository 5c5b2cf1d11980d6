// Sixteen floats or int32 at once, for the instruction set this file is compiled for.
//
// Everything is inside namespace salanet::SALANET_ISA, so that no function compiled for one set can
// be linked into the code of another. Files that use it are compiled without contraction into
// fused multiply-adds: all sets give the same bits.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace salanet::SALANET_ISA {

#if defined(__AVX512F__)

struct Floats {
  __m512 v;
  static Floats load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Floats all(float value) { return {_mm512_set1_ps(value)}; }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  friend Floats operator+(Floats a, Floats b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend Floats operator-(Floats a, Floats b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend Floats operator*(Floats a, Floats b) { return {_mm512_mul_ps(a.v, b.v)}; }
};
inline Floats max(Floats a, Floats b) { return {_mm512_max_ps(a.v, b.v)}; }
inline uint32_t less(Floats a, Floats b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
inline uint32_t less_equal(Floats a, Floats b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ); }

struct Ints {
  __m512i v;
  static Ints load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
  static Ints all(int32_t value) { return {_mm512_set1_epi32(value)}; }
  void store(int32_t* p) const { _mm512_storeu_si512(p, v); }
};
// Adds 1 where a < b, or where a == b and i < j.
inline Ints count_less(Ints count, Floats a, Floats b) {
  return {_mm512_mask_add_epi32(count.v, _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), count.v,
                                _mm512_set1_epi32(1))};
}
inline Ints count_less(Ints count, Floats a, Ints i, Floats b, Ints j) {
  const __mmask16 tied = _mm512_mask_cmp_epi32_mask(_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ), i.v,
                                                    j.v, _MM_CMPINT_LT);
  const __mmask16 before = _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ) | tied;
  return {_mm512_mask_add_epi32(count.v, before, count.v, _mm512_set1_epi32(1))};
}

// Writes the lanes of `mask` side by side; up to 16 lanes are overwritten.
inline void pack(Floats a, uint32_t mask, float* out) {
  _mm512_storeu_ps(out, _mm512_maskz_compress_ps(static_cast<__mmask16>(mask), a.v));
}
inline void pack(Ints a, uint32_t mask, int32_t* out) {
  _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask), a.v));
}

#elif defined(__AVX2__)

struct Floats {
  __m256 a, b;
  static Floats load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static Floats all(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
  void store(float* p) const {
    _mm256_storeu_ps(p, a);
    _mm256_storeu_ps(p + 8, b);
  }
  friend Floats operator+(Floats s, Floats t) {
    return {_mm256_add_ps(s.a, t.a), _mm256_add_ps(s.b, t.b)};
  }
  friend Floats operator-(Floats s, Floats t) {
    return {_mm256_sub_ps(s.a, t.a), _mm256_sub_ps(s.b, t.b)};
  }
  friend Floats operator*(Floats s, Floats t) {
    return {_mm256_mul_ps(s.a, t.a), _mm256_mul_ps(s.b, t.b)};
  }
};
inline Floats max(Floats s, Floats t) { return {_mm256_max_ps(s.a, t.a), _mm256_max_ps(s.b, t.b)}; }
inline uint32_t bits(__m256 a, __m256 b) {
  return static_cast<uint32_t>(_mm256_movemask_ps(a)) |
         static_cast<uint32_t>(_mm256_movemask_ps(b)) << 8;
}
inline uint32_t less(Floats s, Floats t) {
  return bits(_mm256_cmp_ps(s.a, t.a, _CMP_LT_OQ), _mm256_cmp_ps(s.b, t.b, _CMP_LT_OQ));
}
inline uint32_t less_equal(Floats s, Floats t) {
  return bits(_mm256_cmp_ps(s.a, t.a, _CMP_LE_OQ), _mm256_cmp_ps(s.b, t.b, _CMP_LE_OQ));
}

struct Ints {
  __m256i a, b;
  static Ints load(const int32_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8))};
  }
  static Ints all(int32_t value) { return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)}; }
  void store(int32_t* p) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), b);
  }
};
inline __m256i before(__m256 a, __m256 b) {
  return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
inline __m256i before(__m256 a, __m256i i, __m256 b, __m256i j) {
  const __m256i same = _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_EQ_OQ));
  return _mm256_or_si256(before(a, b), _mm256_and_si256(same, _mm256_cmpgt_epi32(j, i)));
}
// Adds 1 where s < t, or where s == t and i < j.
inline Ints count_less(Ints count, Floats s, Floats t) {
  return {_mm256_sub_epi32(count.a, before(s.a, t.a)), _mm256_sub_epi32(count.b, before(s.b, t.b))};
}
inline Ints count_less(Ints count, Floats s, Ints i, Floats t, Ints j) {
  return {_mm256_sub_epi32(count.a, before(s.a, i.a, t.a, j.a)),
          _mm256_sub_epi32(count.b, before(s.b, i.b, t.b, j.b))};
}

// For each 8-bit mask, its set lanes first: a permutation of 8 lanes, one per byte.
inline constexpr std::array<uint64_t, 256> kLanes = [] {
  std::array<uint64_t, 256> table{};
  for (int mask = 0; mask < 256; ++mask) {
    int at = 0;
    for (uint64_t lane = 0; lane < 8; ++lane)
      if (mask >> lane & 1) table[mask] |= lane << (8 * at++);
  }
  return table;
}();
inline __m256 packed(__m256 a, uint32_t mask) {
  const __m128i lanes = _mm_cvtsi64_si128(static_cast<long long>(kLanes[mask & 255]));
  return _mm256_permutevar8x32_ps(a, _mm256_cvtepu8_epi32(lanes));
}
// Writes the lanes of `mask` side by side; up to 16 lanes are overwritten.
inline void pack(Floats s, uint32_t mask, float* out) {
  _mm256_storeu_ps(out, packed(s.a, mask));
  _mm256_storeu_ps(out + std::popcount(mask & 255), packed(s.b, mask >> 8));
}
inline void pack(Ints s, uint32_t mask, int32_t* out) {
  pack(Floats{_mm256_castsi256_ps(s.a), _mm256_castsi256_ps(s.b)}, mask,
       reinterpret_cast<float*>(out));
}

#else

struct Floats {
  float v[16];
  static Floats load(const float* p) {
    Floats r;
    for (int i = 0; i < 16; ++i) r.v[i] = p[i];
    return r;
  }
  static Floats all(float value) {
    Floats r;
    for (float& lane : r.v) lane = value;
    return r;
  }
  void store(float* p) const {
    for (int i = 0; i < 16; ++i) p[i] = v[i];
  }
  friend Floats operator+(const Floats& a, const Floats& b) {
    Floats r;
    for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] + b.v[i];
    return r;
  }
  friend Floats operator-(const Floats& a, const Floats& b) {
    Floats r;
    for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] - b.v[i];
    return r;
  }
  friend Floats operator*(const Floats& a, const Floats& b) {
    Floats r;
    for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] * b.v[i];
    return r;
  }
};
inline Floats max(const Floats& a, const Floats& b) {
  Floats r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return r;
}
inline uint32_t less(const Floats& a, const Floats& b) {
  uint32_t mask = 0;
  for (int i = 0; i < 16; ++i) mask |= static_cast<uint32_t>(a.v[i] < b.v[i]) << i;
  return mask;
}
inline uint32_t less_equal(const Floats& a, const Floats& b) {
  uint32_t mask = 0;
  for (int i = 0; i < 16; ++i) mask |= static_cast<uint32_t>(a.v[i] <= b.v[i]) << i;
  return mask;
}

struct Ints {
  int32_t v[16];
  static Ints load(const int32_t* p) {
    Ints r;
    for (int i = 0; i < 16; ++i) r.v[i] = p[i];
    return r;
  }
  static Ints all(int32_t value) {
    Ints r;
    for (int32_t& lane : r.v) lane = value;
    return r;
  }
  void store(int32_t* p) const {
    for (int i = 0; i < 16; ++i) p[i] = v[i];
  }
};
// Adds 1 where a < b, or where a == b and i < j.
inline Ints count_less(Ints count, const Floats& a, const Floats& b) {
  for (int i = 0; i < 16; ++i) count.v[i] += a.v[i] < b.v[i];
  return count;
}
inline Ints count_less(Ints count, const Floats& a, const Ints& i, const Floats& b, const Ints& j) {
  for (int k = 0; k < 16; ++k)
    count.v[k] += (a.v[k] < b.v[k]) | ((a.v[k] == b.v[k]) & (i.v[k] < j.v[k]));
  return count;
}

// Writes the lanes of `mask` side by side; up to 16 lanes are overwritten.
template <typename Lanes, typename T>
void pack(const Lanes& a, uint32_t mask, T* out) {
  for (int i = 0; i < 16; ++i) {
    *out = a.v[i];
    out += mask >> i & 1;
  }
}

#endif

}  // namespace salanet::SALANET_ISA
