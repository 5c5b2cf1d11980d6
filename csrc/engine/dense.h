// Dense layers with their batch norms folded and their weights packed.
#pragma once

#include <vector>

#include "engine/kernels.h"
#include "engine/memory.h"
#include "engine/tensors.h"
#include "engine/tiles.h"

namespace salanet {

inline const Isa kIsa = detect_isa();

inline int64_t panel_width() { return SALANET_DISPATCH(kIsa, panel_width()); }
// FloatArray from a row to the next where aggregation kernels read whole vectors of rows.
inline int64_t row_stride(int64_t channels) {
  const int64_t least = SALANET_DISPATCH(kIsa, row_floor());
  return channels < least ? least : channels;
}

// y = W x + b, as the files have it: weight (outputs, inputs).
struct Linear {
  int64_t inputs, outputs;
  std::vector<float> weight, bias;

  // `linear` and `norm` under a prefix as one.
  static Linear folded(const Weights& weights, int64_t inputs, int64_t outputs);
  // Of inputs side by side: W x + V y + b + c.
  static Linear joined(const Linear& first, const Linear& second);
  // Of some of the inputs; with the bias or without.
  Linear columns(int64_t begin, int64_t end, bool with_bias) const;
};

class Dense {
 public:
  Dense() = default;
  Dense(const Linear& linear, Activation activation, float slope = 0.0f);

  int64_t inputs() const { return product_.inputs; }
  int64_t outputs() const { return product_.outputs; }
  // out may be no part of in; the addend may be out. With room for the inputs packed
  // (tiles::input_floats; tiles::available) the product is in bfloat16, unless it is small.
  void run(Panels in, Panels out, int64_t panels, const Panels* addend = nullptr,
           float* room = nullptr) const {
    Product product = product_;  // pointers into memory that moves with this object
    product.weight = memory_.data();
    product.bias = product.weight + product.inputs * product.outputs;
    if (room == nullptr || in_tiles_.data() == nullptr) {
      SALANET_DISPATCH(kIsa, multiply(product, in, addend, out, panels));
      return;
    }
    product.weight = in_tiles_.data();
    tiles::multiply(product, in, addend, out, panels, room);
  }

 private:
  Product product_{};
  FloatArray memory_;  // packed weights, then the bias
  FloatArray in_tiles_;  // the weights in bfloat16, where that is worthwhile
};

// The floats of one panel of so many channels.
inline int64_t panel_floats(int64_t channels) { return channels * panel_width(); }

inline int64_t panels_of(int64_t rows) { return (rows + panel_width() - 1) / panel_width(); }

inline Panels take_panels(Carver& carver, int64_t channels, int64_t rows) {
  const int64_t stride = panel_floats(channels);
  return {carver.take<float>(panels_of(rows) * stride), stride};
}

// The same panels from one of their channels on.
inline Panels from_channel(Panels panels, int64_t channel) {
  return {panels.data + channel * panel_width(), panels.stride};
}

inline void load_rows(const Rows& rows, int64_t count, int64_t channels, Panels out,
                      const Affine* affine = nullptr, bool add = false) {
  SALANET_DISPATCH(kIsa, load_rows(rows, count, channels, affine, add, out));
}

inline void store_rows(Panels in, int64_t count, int64_t channels, float* rows, int64_t stride) {
  SALANET_DISPATCH(kIsa, store_rows(in, count, channels, rows, stride));
}

}  // namespace salanet
