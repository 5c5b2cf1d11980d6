// The pointwise MLP (see salanet.operators.PointwiseMLP):
//   relu(max_j (A Δ_ij + V (f_j - f_i)) + U f_i + b),  Δ_ij = (p_j - p_i) / radius
// What depends on j is one row of a support, what depends on i another: both are offered, so that
// the row of the nearest support, which stands for i, brings the second.
#include "engine/aggregation.h"

namespace salanet {
namespace {

class Pointwise : public Aggregation {
 public:
  Pointwise(const Weights& weights, int64_t channels, float radius)
      : channels_(channels), maximum_(channels) {
    const int64_t C = channels, inputs = 3 + 2 * C;
    const std::vector<float> all = weights.under("linear").get("weight", {C, inputs});
    const Norm norm = weights.norm(C);
    Linear offer{C + 3, 2 * C, std::vector<float>(2 * C * (C + 3)), std::vector<float>(2 * C)};
    Linear query{3, C, std::vector<float>(3 * C), norm.shift};
    for (int64_t c = 0; c < C; ++c) {
      const float* row = all.data() + c * inputs;
      float* of_support = offer.weight.data() + c * (C + 3);
      float* of_query = offer.weight.data() + (C + c) * (C + 3);
      for (int64_t k = 0; k < C; ++k) {
        const float centre = row[3 + k] * norm.scale[c], change = row[3 + C + k] * norm.scale[c];
        of_support[k] = change, of_query[k] = centre - change;
      }
      for (int64_t k = 0; k < 3; ++k) {
        of_support[C + k] = row[k] * norm.scale[c] / radius;
        query.weight[3 * c + k] = -of_support[C + k];
      }
    }
    offer_ = Dense(offer, Activation::none);
    query_ = Dense(query, Activation::relu);
  }

  const Dense* offer() const override { return &offer_; }
  bool wants_positions() const override { return true; }
  int64_t row_channels() const override { return 2 * channels_; }
  int64_t stride() const override { return row_stride(2 * channels_); }

  void run(const Around& around, const float* rows, Panels out, Carver scratch) const override {
    float* found = scratch.take<float>(around.M * channels_);
    int32_t* nearest = scratch.take<int32_t>(around.M);
    const Panels places = take_panels(scratch, 3, around.M);
    maximum_.run(around, rows, stride(), found, scratch);
    load_rows({found, channels_}, around.M, channels_, out);
    for (int64_t i = 0; i < around.M; ++i) {
      const int32_t first = around.neighbours[i * around.K];
      nearest[i] = first < around.N ? first : static_cast<int32_t>(around.N - 1);
    }
    load_rows({rows + channels_, stride(), nearest}, around.M, channels_, out, nullptr, true);
    const float away[3] = {-around.middle[0], -around.middle[1], -around.middle[2]};
    const Affine centred{nullptr, away, false};
    load_rows({around.queries, 3}, around.M, 3, places, &centred);
    query_.run(places, out, panels_of(around.M), &out);
    clear_lonely(around, out);
  }

  int64_t scratch_bytes(int64_t queries, int64_t neighbours) const override {
    Carver carver = Carver::measuring();
    carver.take<float>(queries * channels_);
    carver.take<int32_t>(queries);
    take_panels(carver, 3, queries);
    carver.take<char>(maximum_.scratch_bytes(neighbours));
    return carver.used();
  }

 private:
  // Queries without neighbours have no features.
  void clear_lonely(const Around& around, Panels out) const {
    const int64_t width = panel_width();
    for (int64_t i = 0; i < around.M; ++i) {
      if (around.neighbours[i * around.K] < around.N) continue;
      float* lane = out.data + i / width * out.stride + i % width;
      for (int64_t c = 0; c < channels_; ++c) lane[c * width] = 0.0f;
    }
  }

  int64_t channels_;
  NeighbourMax maximum_;
  Dense offer_, query_;
};

}  // namespace

std::unique_ptr<Aggregation> make_pointwise(const Weights& weights, int64_t channels,
                                            float radius) {
  return std::make_unique<Pointwise>(weights, channels, radius);
}

}  // namespace salanet
