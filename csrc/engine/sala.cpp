// SALA (see salanet.operators.SALA): out_i = Σ_g max_j h_jg · W_g [r_j, f_j] + W_c f_i, norms folded.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "aggregation/problem.h"
#include "common/data_error.h"
#include "engine/aggregation.h"

namespace salanet {
namespace {

const char* const kAssignments[] = {"soft", "hard", "none", nullptr};
const char* const kReductions[] = {"max", "sum", "mean", nullptr};
const char* const kNorms[] = {"point", "neighbour", nullptr};
const char* const kPerceptrons[] = {"dense", "linear", nullptr};

// A layer of the perceptrons on positions: with a bias, or with a batch norm to be folded.
Linear perceptron(const Weights& weights, const char* name, int64_t inputs, int64_t outputs) {
  const Weights under = weights.under(name);
  Linear found{inputs, outputs, under.get("weight", {outputs, inputs}), {}};
  if (under.has("bias")) {
    found.bias = under.get("bias", {outputs});
    return found;
  }
  const Norm norm = under.norm(outputs);
  for (int64_t k = 0; k < outputs * inputs; ++k) found.weight[k] *= norm.scale[k / inputs];
  found.bias = norm.shift;
  return found;
}

class Sala : public Aggregation {
 public:
  Sala(const Options& options, const Weights& weights, int64_t channels, float radius) {
    problem_.S = static_cast<int>(options.integer("groups", 2, 1, kMaxGroups));
    problem_.R = problem_.H =
        static_cast<int>(options.integer("lift", 8, 1, std::min(kMaxLifted, kMaxHidden)));
    problem_.C = channels;
    problem_.assignment = static_cast<Assignment>(options.choice("assignment", kAssignments));
    const int reduction = options.choice("reduction", kReductions);
    problem_.sum = reduction != 0;
    mean_ = reduction == 2;
    const bool per_neighbour = options.choice("norm", kNorms) == 1;
    options.choice("perceptrons", kPerceptrons);  // the tensors tell
    const bool positional = options.flag("positional", true);
    centre_ = options.flag("centre", false);
    if (centre_ && per_neighbour) throw DataError("centre goes with norm: point alone");
    problem_.inverse_radius = 1.0f / radius;
    problem_.floor = per_neighbour ? 0.0f : -std::numeric_limits<float>::infinity();
    const int64_t R = problem_.R, D = problem_.D(), split = positional ? R : 0;
    if (D >= kMaxChannels) throw DataError("it has too many channels for the native kernels");

    lift_ = perceptron(weights, "lift", 3, R);
    hidden_ = perceptron(weights, "hidden", R, R);
    score_ = perceptron(weights, "score", R, problem_.S);
    if (weights.has("sharpness")) {  // of a temperature
      const float sharpness = std::exp(weights.get("sharpness", {1})[0]);
      for (float& w : score_.weight) w *= sharpness;
      for (float& b : score_.bias) b *= sharpness;
    }
    Linear both{split + channels, D, weights.get("weight", {D, split + channels}), {}};
    norm_ = weights.norm(per_neighbour ? D : channels);
    if (per_neighbour)
      for (int64_t k = 0; k < D * both.inputs; ++k) both.weight[k] *= norm_.scale[k / both.inputs];
    both.bias.assign(D, 0.0f);
    position_ = both.columns(0, split, false);
    Linear offer = both.columns(split, both.inputs, true);
    if (centre_) {  // behind what a point offers its neighbours lies what it keeps
      const auto own = weights.get("centre.weight", {channels, channels});
      offer.weight.insert(offer.weight.end(), own.begin(), own.end());
      offer.bias.resize(D + channels);
      offer.outputs += channels;
    }
    offer_ = Dense(offer, Activation::none);

    problem_.lift_w = lift_.weight.data(), problem_.lift_b = lift_.bias.data();
    problem_.hidden_w = hidden_.weight.data(), problem_.hidden_b = hidden_.bias.data();
    problem_.score_w = score_.weight.data(), problem_.score_b = score_.bias.data();
    problem_.position_w = positional ? position_.weight.data() : nullptr;
    problem_.bias = per_neighbour ? norm_.shift.data() : nullptr;
    problem_.lifts = positional || problem_.scores();
    packed_ = FloatArray(SALANET_DISPATCH(kIsa, packed_bytes(problem_)) / 4 + 1);
    SALANET_DISPATCH(kIsa, pack(problem_, packed_.data()));
  }

  const Dense* offer() const override { return &offer_; }
  int64_t row_channels() const override { return offer_.outputs(); }
  int64_t stride() const override { return row_stride(row_channels()); }

  void run(const Around& around, const float* rows, Panels out, Carver scratch) const override {
    Problem p = problem_;
    p.queries = around.queries, p.supports = around.supports, p.neighbours = around.neighbours;
    p.M = around.M, p.N = around.N, p.K = around.K;
    p.projected = rows, p.stride = stride();
    float* found = scratch.take<float>(p.M * p.C);
    char* memory = scratch.take<char>(SALANET_DISPATCH(kIsa, forward_scratch_bytes(p)));
    SALANET_DISPATCH(kIsa, forward(p, packed_.data(), 0, p.M, found, nullptr, memory));
    if (mean_) divide_by_counts(p, found);
    if (centre_) add_centres(p, found);
    const Affine norm{norm_.scale.data(), norm_.shift.data(), true};
    load_rows({found, p.C}, p.M, p.C, out, p.bias ? nullptr : &norm);
  }

  int64_t scratch_bytes(int64_t queries, int64_t neighbours) const override {
    Problem p = problem_;
    p.K = neighbours;
    Carver carver = Carver::measuring();
    carver.take<float>(queries * p.C);
    carver.take<char>(SALANET_DISPATCH(kIsa, forward_scratch_bytes(p)));
    return carver.used();
  }

 private:
  static bool present(const Problem& p, int32_t row) {
    return static_cast<uint32_t>(row) < static_cast<uint64_t>(p.N);
  }

  static void divide_by_counts(const Problem& p, float* found) {
    for (int64_t i = 0; i < p.M; ++i) {
      int64_t count = 0;
      for (int64_t k = 0; k < p.K; ++k) count += present(p, p.neighbours[i * p.K + k]);
      const float divisor = static_cast<float>(std::max<int64_t>(count, 1));
      for (int64_t c = 0; c < p.C; ++c) found[i * p.C + c] /= divisor;
    }
  }

  // W_c f of the support that a query stands on, its nearest.
  static void add_centres(const Problem& p, float* found) {
    for (int64_t i = 0; i < p.M; ++i) {
      const int32_t nearest = p.neighbours[i * p.K];
      if (!present(p, nearest)) continue;
      const float* own = p.projected + nearest * p.stride + p.D();
      for (int64_t c = 0; c < p.C; ++c) found[i * p.C + c] += own[c];
    }
  }

  Problem problem_{};
  bool mean_ = false, centre_ = false;
  Linear lift_, hidden_, score_, position_;
  Norm norm_;
  Dense offer_;
  FloatArray packed_;
};

}  // namespace

std::unique_ptr<Aggregation> make_sala(const Options& options, const Weights& weights,
                                       int64_t channels, float radius) {
  return std::make_unique<Sala>(options, weights, channels, radius);
}

}  // namespace salanet
