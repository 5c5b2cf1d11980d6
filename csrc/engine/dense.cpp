#include "engine/dense.h"

#include <algorithm>

namespace salanet {

Linear Linear::folded(const Weights& weights, int64_t inputs, int64_t outputs) {
  Linear found{inputs, outputs, weights.under("linear").get("weight", {outputs, inputs}), {}};
  const Norm norm = weights.norm(outputs);
  for (int64_t c = 0; c < outputs; ++c)
    for (int64_t k = 0; k < inputs; ++k) found.weight[c * inputs + k] *= norm.scale[c];
  found.bias = norm.shift;
  return found;
}

Linear Linear::joined(const Linear& first, const Linear& second) {
  Linear found{first.inputs + second.inputs, first.outputs, {}, first.bias};
  for (int64_t c = 0; c < first.outputs; ++c) {
    for (const Linear* part : {&first, &second})
      found.weight.insert(found.weight.end(), part->weight.begin() + c * part->inputs,
                          part->weight.begin() + (c + 1) * part->inputs);
    found.bias[c] += second.bias[c];
  }
  return found;
}

Linear Linear::columns(int64_t begin, int64_t end, bool with_bias) const {
  Linear found{end - begin, outputs, {}, with_bias ? bias : std::vector<float>(bias.size())};
  for (int64_t c = 0; c < outputs; ++c)
    found.weight.insert(found.weight.end(), weight.begin() + c * inputs + begin,
                        weight.begin() + c * inputs + end);
  return found;
}

Dense::Dense(const Linear& linear, Activation activation, float slope)
    : product_{nullptr, nullptr, linear.inputs, linear.outputs, activation, slope},
      memory_(linear.inputs * linear.outputs + linear.outputs) {
  SALANET_DISPATCH(kIsa, pack_weight(linear.weight.data(), linear.outputs, linear.inputs,
                                     memory_.data()));
  std::copy(linear.bias.begin(), linear.bias.end(),
            memory_.data() + linear.inputs * linear.outputs);
  if (!tiles::supported() || !tiles::worthwhile(linear.outputs, linear.inputs)) return;
  in_tiles_ = FloatArray(tiles::weight_floats(linear.outputs, linear.inputs));
  tiles::pack_weight(linear.weight.data(), linear.outputs, linear.inputs, in_tiles_.data());
}

}  // namespace salanet
