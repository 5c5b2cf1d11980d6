#include "engine/network.h"

namespace salanet {
namespace {

constexpr int64_t kBottleneck = 2;

}  // namespace

Network::Network(const Config& config, const Weights& weights)
    : width(config.width),
      classes(static_cast<int64_t>(config.classes.size())),
      in_channels(config.in_channels) {
  const Weights encoder = weights.under("encoder"), decoder = weights.under("decoder").under("up");

  const auto aggregation = [&](const Weights& under, int64_t channels, int level) {
    return make_aggregation(config.op, config.op_options, under, channels, config.radius(level));
  };
  const auto block = [&](const std::string& name, int level, int64_t inputs, int64_t outputs,
                         bool strides) {
    const Weights under = encoder.under(name);
    const int64_t inner = outputs / kBottleneck;
    Residual found;
    found.reduce = Dense(Linear::folded(under.under("reduce"), inputs, inner), Activation::relu);
    found.aggregation = aggregation(under.under("aggregate"), inner, level);
    Linear expand = Linear::folded(under.under("expand"), inner, outputs);
    if (inputs != outputs)
      expand = Linear::joined(expand, Linear::folded(under.under("shortcut"), inputs, outputs));
    found.expand = Dense(expand, Activation::relu);
    if (strides) found.maximum = std::make_unique<NeighbourMax>(inputs);
    return found;
  };

  const int64_t half = width / 2;
  input = Dense(Linear::folded(encoder.under("input"), in_channels, half), Activation::relu);
  first = aggregation(encoder.under("first"), half, 0);
  residual[0] = block("residual.0", 0, half, width, false);
  for (int s = 0; s + 1 < kLevels; ++s) {
    const std::string number = std::to_string(s), next = std::to_string(s + 1);
    strided[s] = block("strided." + number, s, channels(s), channels(s + 1), true);
    residual[s + 1] = block("residual." + next, s + 1, channels(s + 1), channels(s + 1), false);
  }
  for (int s = kLevels - 2; s >= 0; --s) {
    const int64_t coarse = s == kLevels - 2 ? channels(s + 1) : decoded(s + 1);
    const Linear both = Linear::folded(decoder.under(std::to_string(kLevels - 2 - s)),
                                       coarse + channels(s), decoded(s));
    up_coarse[s] = Dense(both.columns(0, coarse, false), Activation::none);
    up_own[s] = Dense(both.columns(coarse, both.inputs, true), Activation::relu);
  }
  const Weights heads = weights.under("head");
  head = Dense(Linear::folded(heads.under("0"), half, half), Activation::relu);
  classifier = Dense({half, classes, heads.get("1.weight", {classes, half}),
                      heads.get("1.bias", {classes})},
                     Activation::none);
  weights.require_all_used();
}

}  // namespace salanet
