// A tile of weights is up to 16 outputs by 16 pairs of inputs, one of inputs as many pairs by 16
// points, each pair in 32 bits; their product is outputs by points in float32, as panels have it.
#include "engine/tiles.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "common/isa.h"

namespace salanet::tiles {
namespace {

#define SALANET_TILES __attribute__((target("avx512f,avx512bw,amx-tile,amx-bf16")))

constexpr int64_t kLanes = 16;          // floats of a vector, rows of a tile
constexpr int64_t kPanel = 2 * kLanes;  // points of a panel
constexpr int64_t kTile = kLanes * kLanes;
constexpr int64_t kNear = 1024;  // floats of packed inputs

constexpr int64_t divided_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Inputs and outputs cut into tiles of one size, so that none is nearly empty.
struct Cut {
  int64_t pairs, depths, depth;  // of inputs; tiles along them; pairs of a tile
  int64_t blocks, rows;          // tiles along the outputs; outputs of a tile

  Cut(int64_t outputs, int64_t inputs)
      : pairs(divided_up(inputs, 2)),
        depths(divided_up(pairs, kLanes)),
        depth(divided_up(pairs, depths)),
        blocks(divided_up(outputs, kLanes)),
        rows(divided_up(outputs, blocks)) {}

  int64_t packed() const { return depths * depth * kPanel; }  // floats of a panel's inputs
  // Panels that pass block after block: as many as stay in the first-level cache.
  int64_t group() const { return std::max<int64_t>(kNear / packed(), 1); }
};

bool looked() {
  unsigned a, b, c, d;
  if (detect_isa() != Isa::avx512 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  return (d >> 22 & 1) && (d >> 24 & 1);  // products in bfloat16, tiles
}

// Tiles 0 to 3 are sums, outputs by points; 4 and 5 weights; 6 and 7 inputs.
struct alignas(64) Shapes {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  explicit Shapes(const Cut& cut) {
    for (int tile = 0; tile < 8; ++tile) {
      const bool weights = tile == 4 || tile == 5;
      row_bytes[tile] = static_cast<uint16_t>(weights ? 4 * cut.depth : 4 * kLanes);
      rows[tile] = static_cast<uint8_t>(tile < 6 ? cut.rows : cut.depth);
    }
  }
};

// Compilers do not know that tiles are loaded from what was stored, nor stored where it is read.
void settle() { std::atomic_signal_fence(std::memory_order_seq_cst); }

uint16_t rounded(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return static_cast<uint16_t>((bits + 0x8000) >> 16);
}

// Channels of a panel -> (pairs, points), zeros for pairs past the last.
SALANET_TILES void pack_inputs(const float* in, int64_t inputs, int64_t pairs, float* packed) {
  const __m512i half_a_bit = _mm512_set1_epi32(0x8000);
  for (int64_t pair = 0; pair < pairs; ++pair)
    for (int64_t at = 2 * pair * kPanel; at < (2 * pair + 1) * kPanel; at += kLanes) {
      __m512i first = _mm512_setzero_si512(), second = first;
      if (2 * pair < inputs) first = _mm512_loadu_si512(in + at);
      if (2 * pair + 1 < inputs) second = _mm512_loadu_si512(in + at + kPanel);
      first = _mm512_srli_epi32(_mm512_add_epi32(first, half_a_bit), 16);
      second = _mm512_add_epi32(second, half_a_bit);
      _mm512_storeu_si512(packed, _mm512_mask_blend_epi16(0xaaaaaaaa, first, second));
      packed += kLanes;
    }
}

// Sums of one or two blocks, outputs by the points of a panel.
template <bool two>
SALANET_TILES void sum(const Cut& cut, const float* weight, const float* inputs, float* sums) {
  _tile_zero(0);
  _tile_zero(1);
  if (two) _tile_zero(2);
  if (two) _tile_zero(3);
  for (int64_t t = 0; t < cut.depths; ++t) {
    _tile_loadd(4, weight + t * kTile, 4 * kLanes);
    if (two) _tile_loadd(5, weight + (cut.depths + t) * kTile, 4 * kLanes);
    _tile_loadd(6, inputs + t * cut.depth * kPanel, 4 * kPanel);
    _tile_loadd(7, inputs + t * cut.depth * kPanel + kLanes, 4 * kPanel);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if (two) _tile_dpbf16ps(2, 5, 6);
    if (two) _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sums, 4 * kPanel);
  _tile_stored(1, sums + kLanes, 4 * kPanel);
  if (two) _tile_stored(2, sums + cut.rows * kPanel, 4 * kPanel);
  if (two) _tile_stored(3, sums + cut.rows * kPanel + kLanes, 4 * kPanel);
}

// Sums of some outputs -> activation(sum + bias + addend)
SALANET_TILES void finish(const Product& product, const float* sums, const float* bias,
                          const float* addend, float* out, int64_t outputs) {
  const __m512 slope = _mm512_set1_ps(product.activation == Activation::none   ? 1.0f
                                      : product.activation == Activation::relu ? 0.0f
                                                                               : product.slope);
  for (int64_t c = 0; c < outputs; ++c)
    for (int64_t at = c * kPanel; at < (c + 1) * kPanel; at += kLanes) {
      __m512 v = _mm512_add_ps(_mm512_loadu_ps(sums + at), _mm512_set1_ps(bias[c]));
      if (addend != nullptr) v = _mm512_add_ps(v, _mm512_loadu_ps(addend + at));
      _mm512_storeu_ps(out + at, _mm512_max_ps(_mm512_mul_ps(v, slope), v));
    }
}

}  // namespace

bool supported() {
  static const bool found = looked();
  return found;
}

bool available() {
  constexpr long kAskForState = 0x1023, kTileData = 18;
  static const bool found =
      supported() && syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
  return found;
}

int64_t weight_floats(int64_t outputs, int64_t inputs) {
  const Cut cut(outputs, inputs);
  return cut.blocks * cut.depths * kTile;
}

int64_t input_floats(int64_t inputs) {
  const Cut cut(1, inputs);
  return cut.group() * cut.packed();
}

void pack_weight(const float* weight, int64_t outputs, int64_t inputs, float* packed) {
  const Cut cut(outputs, inputs);
  for (int64_t block = 0; block < cut.blocks; ++block)
    for (int64_t t = 0; t < cut.depths; ++t, packed += kTile)
      for (int64_t row = 0; row < kLanes; ++row)
        for (int64_t pair = 0; pair < kLanes; ++pair) {
          const int64_t c = block * cut.rows + row, k = 2 * (t * cut.depth + pair);
          const bool inside = row < cut.rows && c < outputs && pair < cut.depth;
          uint16_t both[2];
          for (int64_t i = 0; i < 2; ++i)
            both[i] = inside && k + i < inputs ? rounded(weight[c * inputs + k + i]) : 0;
          std::memcpy(packed + row * kLanes + pair, both, sizeof(both));
        }
}

SALANET_TILES void multiply(const Product& product, Panels in, const Panels* addend, Panels out,
                            int64_t panels, float* room) {
  const Cut cut(product.outputs, product.inputs);
  const int64_t packed = cut.packed(), group = cut.group();
  const Shapes shapes(cut);
  settle();
  _tile_loadconfig(&shapes);
  alignas(64) float sums[2 * kLanes * kPanel];
  for (int64_t begin = 0; begin < panels; begin += group) {
    const int64_t end = std::min(begin + group, panels);
    for (int64_t panel = begin; panel < end; ++panel)
      pack_inputs(in.data + panel * in.stride, product.inputs, cut.depths * cut.depth,
                  room + (panel - begin) * packed);
    for (int64_t block = 0; block < cut.blocks; block += 2) {
      const bool two = block + 1 < cut.blocks;
      const float* weight = product.weight + block * cut.depths * kTile;
      const int64_t first = block * cut.rows, at = first * kPanel;
      const int64_t outputs = std::min((two ? 2 : 1) * cut.rows, product.outputs - first);
      for (int64_t panel = begin; panel < end; ++panel) {
        const float* inputs = room + (panel - begin) * packed;
        settle();
        if (two)
          sum<true>(cut, weight, inputs, sums);
        else
          sum<false>(cut, weight, inputs, sums);
        settle();
        finish(product, sums, product.bias + first,
               addend == nullptr ? nullptr : addend->data + panel * addend->stride + at,
               out.data + panel * out.stride + at, outputs);
      }
    }
  }
  _tile_release();
}

}  // namespace salanet::tiles

#else

namespace salanet::tiles {

bool supported() { return false; }
bool available() { return false; }
int64_t weight_floats(int64_t, int64_t) { return 0; }
int64_t input_floats(int64_t) { return 0; }
void pack_weight(const float*, int64_t, int64_t, float*) {}
void multiply(const Product&, Panels, const Panels*, Panels, int64_t, float*) {}

}  // namespace salanet::tiles

#endif
