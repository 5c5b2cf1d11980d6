// Products with points as lanes, and the transpositions between rows and panels. Compiled once per
// instruction set.
//
// A block of outputs stays in registers while the inputs pass by once: two vectors of points times
// as many channels as there are registers for. Wide layers are cut into blocks of equal width, so
// none is nearly empty (18 channels are 9 and 9).
#include "engine/kernels.h"

#include <utility>

#include "aggregation/simd.h"

namespace salanet::SALANET_ISA {

namespace {

constexpr int64_t kPanel = 2 * W;
constexpr int kMost = W == 16 ? 12 : 6;  // channels of a block
static_assert(kPanelRows % kPanel == 0);

struct Blocks {
  int64_t count, width;  // the first `wider` of them have one channel more
  int64_t wider;

  explicit Blocks(int64_t outputs) : count((outputs + kMost - 1) / kMost) {
    width = outputs / count;
    wider = outputs % count;
  }
  int64_t size(int64_t block) const { return width + (block < wider ? 1 : 0); }
};

inline Vec activated(Vec v, const Product& product) {
  if (product.activation == Activation::relu) return max(v, Vec{});
  if (product.activation == Activation::leaky) return v > 0.0f ? v : v * product.slope;
  return v;
}

template <int C>
void multiply_block(const Product& product, const float* weight, const float* bias,
                    const float* in, const float* addend, float* out) {
  Vec sum[C][2];
#pragma GCC unroll 16
  for (int c = 0; c < C; ++c) sum[c][0] = sum[c][1] = splat(bias[c]);
  for (int64_t k = 0; k < product.inputs; ++k) {
    const Vec x[2] = {load(in + k * kPanel), load(in + k * kPanel + W)};
    const float* w = weight + k * C;
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) {
      const Vec factor = splat(w[c]);
      sum[c][0] += x[0] * factor;
      sum[c][1] += x[1] * factor;
    }
  }
#pragma GCC unroll 16
  for (int c = 0; c < C; ++c)
    for (int half = 0; half < 2; ++half) {
      const int64_t at = c * kPanel + half * W;
      if (addend != nullptr) sum[c][half] += load(addend + at);
      store(out + at, activated(sum[c][half], product));
    }
}

using Block = void (*)(const Product&, const float*, const float*, const float*, const float*,
                       float*);

template <int... C>
Block block_of(int64_t channels, std::integer_sequence<int, C...>) {
  constexpr Block all[] = {multiply_block<C + 1>...};
  return all[channels - 1];
}

template <int step, int... lane>
inline void exchange(Vec& a, Vec& b, std::integer_sequence<int, lane...>) {
#if defined(__clang__)
  const Vec low = __builtin_shufflevector(a, b, (lane & step ? W + lane - step : lane)...);
  const Vec high = __builtin_shufflevector(a, b, (lane & step ? W + lane : lane + step)...);
#else
  const Vec low = __builtin_shuffle(a, b, IVec{(lane & step ? W + lane - step : lane)...});
  const Vec high = __builtin_shuffle(a, b, IVec{(lane & step ? W + lane : lane + step)...});
#endif
  a = low, b = high;
}

template <int step>
inline void transpose_step(Vec* v) {
  if constexpr (step < W) {
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i)
      if ((i & step) == 0)
        exchange<step>(v[i], v[i + step], std::make_integer_sequence<int, W>());
    transpose_step<2 * step>(v);
  }
}

// W vectors as a square, turned over.
inline void transpose(Vec* v) { transpose_step<1>(v); }

// The first n floats at p, n <= W; zeros behind them. Nothing else is touched.
inline Vec load_first(const float* p, int64_t n) {
  if (n >= W) return load(p);
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
#elif defined(__AVX2__)
  alignas(32) static constexpr int32_t kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_maskload_ps(p, load_as<__m256i>(kMask + 8 - n));
#else
  Vec v{};
  for (int64_t lane = 0; lane < n; ++lane) v[lane] = p[lane];
  return v;
#endif
}

inline void store_first(float* p, Vec v, int64_t n) {
  if (n >= W) {
    store(p, v);
    return;
  }
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v);
#elif defined(__AVX2__)
  alignas(32) static constexpr int32_t kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  _mm256_maskstore_ps(p, load_as<__m256i>(kMask + 8 - n), v);
#else
  for (int64_t lane = 0; lane < n; ++lane) p[lane] = v[lane];
#endif
}

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

}  // namespace

int64_t panel_width() { return kPanel; }

// The aggregation kernels read whole vectors of a row.
int64_t row_floor() { return W; }

// weight (outputs, inputs) -> block after block, each (inputs, channels of the block)
void pack_weight(const float* weight, int64_t outputs, int64_t inputs, float* packed) {
  const Blocks blocks(outputs);
  int64_t first = 0;
  for (int64_t block = 0; block < blocks.count; ++block) {
    const int64_t size = blocks.size(block);
    for (int64_t k = 0; k < inputs; ++k)
      for (int64_t c = 0; c < size; ++c) *packed++ = weight[(first + c) * inputs + k];
    first += size;
  }
}

void multiply(const Product& product, Panels in, const Panels* addend, Panels out,
              int64_t panels) {
  const Blocks blocks(product.outputs);
  const float* weight = product.weight;
  int64_t first = 0;
  for (int64_t block = 0; block < blocks.count; ++block) {
    const int64_t size = blocks.size(block), at = first * kPanel;
    const Block run = block_of(size, std::make_integer_sequence<int, kMost>());
    for (int64_t panel = 0; panel < panels; ++panel)
      run(product, weight, product.bias + first, in.data + panel * in.stride,
          addend == nullptr ? nullptr : addend->data + panel * addend->stride + at,
          out.data + panel * out.stride + at);
    weight += product.inputs * size;
    first += size;
  }
}

// Rows 0 to count - 1 -> panels; zeros in the lanes past the last row. `add`: to what is there.
void load_rows(const Rows& rows, int64_t count, int64_t channels, const Affine* affine, bool add,
               Panels out) {
  for (int64_t base = 0; base < count; base += W) {
    float* panel = out.data + base / kPanel * out.stride + base % kPanel;
    const int64_t some = least(W, count - base);
    const float* from[W];
    for (int64_t i = 0; i < some; ++i)
      from[i] = rows.data + (rows.index ? rows.index[base + i] : base + i) * rows.stride;
    for (int64_t first = 0; first < channels; first += W) {
      const int64_t n = least(W, channels - first);
      Vec v[W];
      if (some == W) {
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) v[i] = load_first(from[i] + first, n);
      } else {
        for (int64_t i = 0; i < W; ++i) v[i] = i < some ? load_first(from[i] + first, n) : Vec{};
      }
      transpose(v);
      for (int64_t c = 0; c < n; ++c) {
        Vec x = v[c];
        if (affine != nullptr) {
          if (affine->scale != nullptr) x *= affine->scale[first + c];
          x += affine->shift[first + c];
          if (affine->relu) x = max(x, Vec{});
        }
        float* place = panel + (first + c) * kPanel;
        store(place, add ? x + load(place) : x);
      }
    }
  }
  // The second half of the last panel, where no row has reached it.
  const int64_t beyond = (count + W - 1) / W * W;
  if (add || beyond % kPanel == 0) return;
  float* panel = out.data + beyond / kPanel * out.stride + beyond % kPanel;
  for (int64_t c = 0; c < channels; ++c) store(panel + c * kPanel, Vec{});
}

void store_rows(Panels in, int64_t count, int64_t channels, float* rows, int64_t stride) {
  for (int64_t base = 0; base < count; base += W) {
    const float* panel = in.data + base / kPanel * in.stride + base % kPanel;
    const int64_t some = least(W, count - base);
    for (int64_t first = 0; first < channels; first += W) {
      const int64_t n = least(W, channels - first);
      Vec v[W];
      if (n == W) {
#pragma GCC unroll 16
        for (int c = 0; c < W; ++c) v[c] = load(panel + (first + c) * kPanel);
      } else {
        for (int64_t c = 0; c < W; ++c) v[c] = c < n ? load(panel + (first + c) * kPanel) : Vec{};
      }
      transpose(v);
      float* to = rows + base * stride + first;
      for (int64_t i = 0; i < some; ++i) store_first(to + i * stride, v[i], n);
    }
  }
}

}  // namespace salanet::SALANET_ISA
