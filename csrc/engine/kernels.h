// Dense layers of the network executor: plain pointers and sizes, the same for every instruction
// set.
//
// Features that a dense layer reads or writes lie in *panels*: panel_width() points side by side,
// channel after channel. Points are lanes, so every width of a layer runs at full vector width;
// what a local aggregation reads point by point lies in *rows*.
#pragma once

#include <cstdint>

#include "common/isa.h"

namespace salanet {

constexpr int64_t kPanelRows = 32;  // a multiple of every panel_width(): chunks are whole panels

// Some channels of consecutive panels; `stride` floats from a panel to the next.
struct Panels {
  float* data;
  int64_t stride;
};

// Rows of `channels` floats, `stride` floats apart; row i is row index[i] where there is an index.
struct Rows {
  const float* data;
  int64_t stride;
  const int32_t* index = nullptr;
};

enum class Activation : int32_t { none, relu, leaky };

// What is done to rows on their way into panels: scale * x + shift, channel by channel, then ReLU.
struct Affine {
  const float* scale;  // null for none
  const float* shift;
  bool relu;
};

// y = activation(W x + bias + addend)
struct Product {
  const float* weight;  // from pack_weight
  const float* bias;    // (outputs,)
  int64_t inputs, outputs;
  Activation activation;
  float slope;  // of the negative side, for leaky
};

}  // namespace salanet

#define SALANET_DECLARE_ENGINE(isa)                                                             \
  namespace salanet::isa {                                                                      \
  int64_t panel_width();                                                                        \
  int64_t row_floor();                                                                          \
  void pack_weight(const float* weight, int64_t outputs, int64_t inputs, float* packed);        \
  void multiply(const Product&, Panels in, const Panels* addend, Panels out, int64_t panels);   \
  void load_rows(const Rows&, int64_t count, int64_t channels, const Affine*, bool add,         \
                 Panels out);                                                                   \
  void store_rows(Panels in, int64_t count, int64_t channels, float* rows, int64_t stride);     \
  }

SALANET_DECLARE_ENGINE(portable)
#if defined(__x86_64__) || defined(_M_X64)
SALANET_DECLARE_ENGINE(avx2)
SALANET_DECLARE_ENGINE(avx512)
#endif
