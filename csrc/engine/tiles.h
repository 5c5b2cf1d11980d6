// Dense layers in bfloat16 by the processor's matrix tiles (AMX): inputs and weights rounded to
// their eight leading bits, sums in float32.
#pragma once

#include <cstdint>

#include "engine/kernels.h"

namespace salanet::tiles {

// Whether the processor has them.
bool supported();

// Whether the system lets this process use them: asked the first time, since from then on signals
// of its threads take more of their stacks.
bool available();

// Whether a product is worth it: packing costs as much as a small product.
constexpr bool worthwhile(int64_t outputs, int64_t inputs) { return outputs * inputs >= 512; }

// Floats that packed weights take, and the inputs packed at a time.
int64_t weight_floats(int64_t outputs, int64_t inputs);
int64_t input_floats(int64_t inputs);

// weight (outputs, inputs) -> packed
void pack_weight(const float* weight, int64_t outputs, int64_t inputs, float* packed);

// As the multiply of kernels.h, with weights from pack_weight above; `room` has input_floats.
void multiply(const Product&, Panels in, const Panels* addend, Panels out, int64_t panels,
              float* room);

}  // namespace salanet::tiles
