// Sums over neighbours with scores that positions alone decide: PosPool, adaptive weights, pseudo
// grid and KPConv (see salanet.operators). A few queries at a time, so that the scores stay in the
// first caches.
#include "aggregation/weighted.h"

#include <algorithm>
#include <cstring>

#include "common/data_error.h"
#include "engine/aggregation.h"

namespace salanet {
namespace {

constexpr int64_t kPart = kPanelRows;
const char* const kInfluences[] = {"linear", nullptr};

class WeightedSum : public Aggregation {
 public:
  WeightedSum(int64_t channels, float radius) : channels_(channels), radius_(radius) {}

  int64_t row_channels() const override { return channels_; }

  void run(const Around& around, const float* rows, Panels out, Carver scratch) const override {
    const Space space(*this, std::min(kPart, around.M), around.K, scratch);
    for (int64_t begin = 0; begin < around.M; begin += kPart) {
      const Around part = around.part(begin, std::min(kPart, around.M - begin));
      Weighted p{};
      p.neighbours = part.neighbours;
      p.features = rows;
      p.M = part.M, p.N = part.N, p.K = part.K, p.T = p.G = groups_, p.C = channels_;
      SALANET_DISPATCH(kIsa, offsets(p, part.queries, part.supports, radius_, 0, p.M,
                                     space.offsets));
      p.values = scores(p, space);
      const Panels place{out.data + begin / panel_width() * out.stride, out.stride};
      reduce(p, space, place);
    }
  }

  int64_t scratch_bytes(int64_t queries, int64_t neighbours) const override {
    Carver carver = Carver::measuring();
    Space(*this, std::min(kPart, queries), neighbours, carver);
    return carver.used();
  }

 protected:
  struct Space {
    float *offsets, *values, *sums;
    Panels wide;

    Space(const WeightedSum& of, int64_t queries, int64_t neighbours, Carver& carver)
        : offsets(carver.take<float>(queries * neighbours * 3)),
          values(carver.take<float>(queries * neighbours * of.groups_)),
          sums(carver.take<float>(queries * of.summed())),
          wide(take_panels(carver, of.summed(), queries)) {}
  };

  virtual int64_t summed() const { return channels_; }
  // (M, K, groups)
  virtual const float* scores(const Weighted& p, const Space& space) const = 0;
  virtual void reduce(const Weighted& p, const Space& space, Panels out) const = 0;

  int64_t channels_;
  int64_t groups_ = 1;
  float radius_;
};

// Depthwise weights, batch norm, ReLU; a mean or a sum over the neighbours.
class Depthwise : public WeightedSum {
 public:
  using WeightedSum::WeightedSum;

 protected:
  void reduce(const Weighted& p, const Space& space, Panels out) const override {
    SALANET_DISPATCH(kIsa, depthwise(p, weight_.data(), 0, p.M, space.sums));
    for (int64_t i = 0; mean_ && i < p.M; ++i) {
      int64_t count = 0;
      for (int64_t k = 0; k < p.K; ++k) count += p.neighbours[i * p.K + k] < p.N;
      const float divisor = static_cast<float>(std::max<int64_t>(count, 1));
      for (int64_t c = 0; c < channels_; ++c) space.sums[i * channels_ + c] /= divisor;
    }
    const Affine norm{norm_.scale.data(), norm_.shift.data(), true};
    load_rows({space.sums, channels_}, p.M, channels_, out, &norm);
  }

  std::vector<float> weight_;  // (groups, channels)
  Norm norm_;
  bool mean_ = true;
};

class PosPool : public Depthwise {
 public:
  PosPool(const Weights& weights, int64_t channels, float radius) : Depthwise(channels, radius) {
    groups_ = 3;
    weight_.assign(3 * channels, 0.0f);
    for (int64_t c = 0; c < channels; ++c) weight_[c % 3 * channels + c] = 1.0f;
    norm_ = weights.norm(channels);
  }

 protected:
  const float* scores(const Weighted&, const Space& space) const override { return space.offsets; }
};

class AdaptiveWeight : public Depthwise {
 public:
  AdaptiveWeight(const Weights& weights, int64_t channels, float radius)
      : Depthwise(channels, radius) {
    groups_ = 4;
    const Weights under = weights.under("weight");
    const std::vector<float> weight = under.get("weight", {channels, 3});
    for (int64_t k = 0; k < 3; ++k)
      for (int64_t c = 0; c < channels; ++c) weight_.push_back(weight[3 * c + k]);
    const std::vector<float> bias = under.get("bias", {channels});
    weight_.insert(weight_.end(), bias.begin(), bias.end());
    norm_ = weights.norm(channels);
  }

 protected:
  const float* scores(const Weighted& p, const Space& space) const override {
    for (int64_t pair = 0; pair < p.M * p.K; ++pair) {
      std::memcpy(space.values + 4 * pair, space.offsets + 3 * pair, 3 * sizeof(float));
      space.values[4 * pair + 3] = 1.0f;
    }
    return space.values;
  }
};

// Kernel points (axis, point), as the kernels take them, and how far they reach.
struct KernelPoints {
  std::vector<float> places;
  float extent = 0;

  KernelPoints(const Options& options, const Weights& weights, int64_t count) {
    options.choice("influence", kInfluences);
    extent = static_cast<float>(options.number("extent", 0.4));
    if (!(extent > 0)) throw DataError("its 'extent' is not above 0");
    const std::vector<float> given = weights.get("kernel_points", {count, 3});
    for (int64_t axis = 0; axis < 3; ++axis)
      for (int64_t g = 0; g < count; ++g) places.push_back(given[3 * g + axis]);
  }

  const float* scores(const Weighted& p, const float* offsets, float* values) const {
    SALANET_DISPATCH(kIsa, influence(offsets, places.data(), p.T, extent, 0, p.M * p.K, values));
    return values;
  }
};

int64_t kernel_points_of(const Options& options) { return options.integer("points", 15, 1, 256); }

class PseudoGrid : public Depthwise {
 public:
  PseudoGrid(const Options& options, const Weights& weights, int64_t channels, float radius)
      : Depthwise(channels, radius), points_(options, weights, kernel_points_of(options)) {
    groups_ = kernel_points_of(options);
    weight_ = weights.get("weight", {groups_, channels});
    norm_ = weights.norm(channels);
    mean_ = false;
  }

 protected:
  const float* scores(const Weighted& p, const Space& space) const override {
    return points_.scores(p, space.offsets, space.values);
  }

 private:
  KernelPoints points_;
};

class KPConv : public WeightedSum {
 public:
  KPConv(const Options& options, const Weights& weights, int64_t channels, float radius)
      : WeightedSum(channels, radius),
        points_(options, weights.under("convolution"), kernel_points_of(options)) {
    if (options.flag("closest", false))
      throw DataError("the native executor has no KPConv with 'closest'");
    groups_ = kernel_points_of(options);
    const float slope = static_cast<float>(options.number("slope", 0.0));
    const int64_t C = channels;
    const std::vector<float> all = weights.under("convolution").get("weight", {groups_, C, C});
    const Norm norm = weights.norm(C);
    Linear linear{groups_ * C, C, std::vector<float>(groups_ * C * C), norm.shift};
    for (int64_t k = 0; k < groups_ * C; ++k)
      for (int64_t c = 0; c < C; ++c)
        linear.weight[c * linear.inputs + k] = all[k * C + c] * norm.scale[c];
    product_ = Dense(linear, slope == 0.0f ? Activation::relu : Activation::leaky, slope);
  }

 protected:
  int64_t summed() const override { return groups_ * channels_; }
  const float* scores(const Weighted& p, const Space& space) const override {
    return points_.scores(p, space.offsets, space.values);
  }
  void reduce(const Weighted& p, const Space& space, Panels out) const override {
    SALANET_DISPATCH(kIsa, grid(p, 0, p.M, space.sums));
    load_rows({space.sums, summed()}, p.M, summed(), space.wide);
    product_.run(space.wide, out, panels_of(p.M));
  }

 private:
  KernelPoints points_;
  Dense product_;
};

}  // namespace

std::unique_ptr<Aggregation> make_weighted(const std::string& name, const Options& options,
                                           const Weights& weights, int64_t channels,
                                           float radius) {
  if (name == "pospool") return std::make_unique<PosPool>(weights, channels, radius);
  if (name == "adaptive_weight") return std::make_unique<AdaptiveWeight>(weights, channels, radius);
  if (name == "pseudo_grid")
    return std::make_unique<PseudoGrid>(options, weights, channels, radius);
  if (name == "kpconv") return std::make_unique<KPConv>(options, weights, channels, radius);
  throw DataError("the native executor has no operator '" + name + "'");
}

}  // namespace salanet
