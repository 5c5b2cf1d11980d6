// The Python face of the aggregation kernels: arrays in, threads over fixed chunks, arrays out.
// Shapes are checked here, so that no caller can make a kernel leave its arrays.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <tuple>
#include <vector>

#include "aggregation/problem.h"
#include "common/arrays.h"
#include "common/isa.h"
#include "common/parallel.h"

namespace nb = nanobind;

namespace salanet {
namespace {

using Matrix = Array<const float, 2>;
using Vector = Array<const float, 1>;
using Table = Array<const int32_t, 2>;
// queries, supports, neighbours, projected, the six of PositionMLP, position_w, bias
using Inputs = std::tuple<Matrix, Matrix, Table, Matrix, Matrix, Vector, Matrix, Vector, Matrix,
                          Vector, std::optional<Matrix>, std::optional<Vector>>;
// radius, groups, relu, sum, assignment
using Options = std::tuple<float, int, bool, bool, int>;

const Isa kIsa = detect_isa();
constexpr int64_t kSupportChunks = 32;  // see scan.h

struct Free {
  void operator()(char* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
using Memory = std::unique_ptr<char[], Free>;

Memory allocate(int64_t bytes) {
  return Memory(static_cast<char*>(::operator new[](bytes, std::align_val_t{64})));
}

Problem basic_problem(const Table& neighbours, int64_t supports) {
  Problem p{};
  p.neighbours = neighbours.data();
  p.M = neighbours.shape(0), p.K = neighbours.shape(1), p.N = supports;
  p.S = 1, p.C = 0;
  p.floor = -std::numeric_limits<float>::infinity();
  p.assignment = Assignment::none;
  require(p.M <= kMaxRows && p.N <= kMaxRows, "at most 2^31 - 2 queries and supports");
  require(p.K <= kMaxSlots, "at most 255 neighbours of each query");
  return p;
}

void set_features(Problem& p, const Matrix& features, int groups) {
  p.projected = features.data();
  p.stride = features.shape(1);
  require(p.stride < kMaxChannels, "fewer than 2^20 channels");
  require(groups >= 1 && groups <= kMaxGroups && p.stride % groups == 0,
          "the columns of projected must divide into 1 to 64 groups");
  p.S = groups, p.C = p.stride / groups;
}

void set_positions(Problem& p, const Matrix& queries, const Matrix& supports, float radius) {
  require(radius > 0, "the radius must be positive");
  require_shape(queries, "queries", {p.M, 3});
  require_shape(supports, "supports", {p.N, 3});
  p.queries = queries.data(), p.supports = supports.data();
  p.inverse_radius = 1.0f / radius;
}

void set_lift(Problem& p, const Matrix& lift_w, const Vector& lift_b) {
  const int64_t lifted = lift_w.shape(0);
  require(lifted <= kMaxLifted, "at most 64 lifted channels");
  require_shape(lift_w, "lift_w", {lifted, 3});
  require_shape(lift_b, "lift_b", {lifted});
  p.lift_w = lift_w.data(), p.lift_b = lift_b.data(), p.R = static_cast<int>(lifted);
}

Problem sala_problem(const Inputs& inputs, const Options& options) {
  const auto& [queries, supports, neighbours, projected, lift_w, lift_b, hidden_w, hidden_b,
               score_w, score_b, position_w, bias] = inputs;
  const auto& [radius, groups, relu, sum, assignment] = options;
  Problem p = basic_problem(neighbours, supports.shape(0));
  set_features(p, projected, groups);
  set_positions(p, queries, supports, radius);
  set_lift(p, lift_w, lift_b);
  const int64_t hidden = hidden_w.shape(0);
  require(hidden <= kMaxHidden, "at most 64 hidden channels");
  require(assignment >= 0 && assignment <= static_cast<int>(Assignment::none),
          "the assignment must be 0, 1 or 2");
  require_shape(projected, "projected", {p.N, p.D()});
  require_shape(hidden_w, "hidden_w", {hidden, p.R});
  require_shape(hidden_b, "hidden_b", {hidden});
  require_shape(score_w, "score_w", {groups, hidden});
  require_shape(score_b, "score_b", {groups});
  if (position_w) require_shape(*position_w, "position_w", {p.D(), p.R});
  if (bias) require_shape(*bias, "bias", {p.D()});
  p.hidden_w = hidden_w.data(), p.hidden_b = hidden_b.data();
  p.H = static_cast<int>(hidden);
  p.score_w = score_w.data(), p.score_b = score_b.data();
  p.position_w = position_w ? position_w->data() : nullptr;
  p.bias = bias ? bias->data() : nullptr;
  if (relu) p.floor = 0.0f;
  p.sum = sum;
  p.assignment = static_cast<Assignment>(assignment);
  p.lifts = p.R > 0 && (p.position_w != nullptr || p.scores());
  return p;
}

Problem max_problem(const Matrix& features, const Table& neighbours) {
  Problem p = basic_problem(neighbours, features.shape(0));
  set_features(p, features, 1);
  return p;
}

// Without a lift of offsets alone.
Problem pair_problem(const Matrix& queries, const Matrix& supports, const Table& neighbours,
                     const std::optional<Matrix>& lift_w, const std::optional<Vector>& lift_b,
                     float radius) {
  Problem p = basic_problem(neighbours, supports.shape(0));
  require(lift_w.has_value() == lift_b.has_value(), "lift_w and lift_b go together");
  set_positions(p, queries, supports, radius);
  if (lift_w) set_lift(p, *lift_w, *lift_b);
  p.lifts = lift_w.has_value();
  return p;
}

Problem lift_problem(const Matrix& queries, const Matrix& supports, const Table& neighbours,
                     const Matrix& lift_w, const Vector& lift_b, float radius) {
  Problem p = basic_problem(neighbours, supports.shape(0));
  set_positions(p, queries, supports, radius);
  set_lift(p, lift_w, lift_b);
  p.lifts = p.R > 0;
  return p;
}

// Rows shorter than a vector are padded, so that kernels may read whole vectors.
Memory pad_rows(Problem& p) {
  const int64_t width = SALANET_DISPATCH(kIsa, vector_width());
  if (p.stride >= width) return {};
  Memory padded = allocate(p.N * width * sizeof(float));
  float* rows = reinterpret_cast<float*>(padded.get());
  for (int64_t j = 0; j < p.N; ++j) {
    std::copy_n(p.projected + j * p.stride, p.stride, rows + j * width);
    std::fill_n(rows + j * width + p.stride, width - p.stride, 0.0f);
  }
  p.projected = rows, p.stride = width;
  return padded;
}

Memory pack(const Problem& p) {
  Memory packed = allocate(SALANET_DISPATCH(kIsa, packed_bytes(p)));
  SALANET_DISPATCH(kIsa, pack(p, packed.get()));
  return packed;
}

int64_t query_grain(const Problem& p) { return std::clamp<int64_t>(p.M / 64, 8, 1024); }

void run_forward(Problem p, const Array<float, 2>& out,
                 const std::optional<Array<uint8_t, 2>>& slots, int threads) {
  require_shape(out, "out", {p.M, p.C});
  if (slots) require_shape(*slots, "slots", {p.M, p.D()});
  uint8_t* winners = slots ? slots->data() : nullptr;
  nb::gil_scoped_release release;
  const Memory padded = pad_rows(p), packed = pack(p);
  const int64_t scratch_bytes = SALANET_DISPATCH(kIsa, forward_scratch_bytes(p));
  parallel_for(p.M, query_grain(p), threads, [&](int64_t begin, int64_t end, int64_t) {
    require_rows(p.neighbours, begin * p.K, end * p.K, p.N);
    const Memory scratch = allocate(scratch_bytes);
    SALANET_DISPATCH(kIsa, forward(p, packed.get(), begin, end, out.data(), winners,
                                   scratch.get()));
  });
}

// total (size) = the sum of the partial sums, one behind the other, in their order.
void add_up(const std::vector<float>& partials, int64_t size, float* total) {
  for (int64_t k = 0; k < size; ++k) {
    double sum = 0;
    for (size_t at = k; at < partials.size(); at += size) sum += partials[at];
    total[k] = static_cast<float>(sum);
  }
}

// body(begin, end, partial) over chunks of supports; the partial sums are added up in their order.
// Each chunk looks through the whole neighbour table and makes sure of its share of it.
template <typename Body>
void sum_over_supports(const Problem& p, int64_t size, float* total, int threads, Body&& body) {
  const int64_t grain = std::max<int64_t>(1, (p.N + kSupportChunks - 1) / kSupportChunks);
  const int64_t chunks = (p.N + grain - 1) / grain, pairs = p.M * p.K;
  std::vector<float> partials(chunks * size, 0.0f);
  parallel_for(p.N, grain, threads, [&](int64_t begin, int64_t end, int64_t chunk) {
    require_rows(p.neighbours, pairs * chunk / chunks, pairs * (chunk + 1) / chunks, p.N);
    body(begin, end, partials.data() + chunk * size);
  });
  add_up(partials, size, total);
}

// body(begin, end, partial) over chunks of queries, likewise.
template <typename Body>
void sum_over_queries(const Problem& p, int64_t size, float* total, int threads, Body&& body) {
  const int64_t grain = query_grain(p), chunks = (p.M + grain - 1) / grain;
  std::vector<float> partials(chunks * size, 0.0f);
  parallel_for(p.M, grain, threads, [&](int64_t begin, int64_t end, int64_t chunk) {
    require_rows(p.neighbours, begin * p.K, end * p.K, p.N);
    body(begin, end, partials.data() + chunk * size);
  });
  add_up(partials, size, total);
}

void run_backward(Problem p, const Matrix& grad_out, const Array<const uint8_t, 2>& slots,
                  const Array<float, 2>& grad_projected, float* parameters, int threads) {
  require_shape(grad_out, "grad_out", {p.M, p.C});
  require_shape(grad_projected, "grad_projected", {p.N, p.D()});
  if (!p.sum) require_shape(slots, "slots", {p.M, p.D()});
  const Gradients grad{grad_out.data(), slots.data(), grad_projected.data()};
  nb::gil_scoped_release release;
  const Memory padded = pad_rows(p), packed = pack(p);
  const int64_t scratch_bytes = SALANET_DISPATCH(kIsa, backward_scratch_bytes(p));
  const int64_t size = GradientLayout(p.R, p.H, p.S, p.D()).size;
  sum_over_supports(p, size, parameters, threads, [&](int64_t begin, int64_t end, float* partial) {
    const Memory scratch = allocate(scratch_bytes);
    SALANET_DISPATCH(kIsa,
                     backward(p, packed.get(), grad, begin, end, partial, scratch.get()));
  });
}

void sala_forward(const Inputs& inputs, const Options& options, const Array<float, 2>& out,
                  const std::optional<Array<uint8_t, 2>>& slots, int threads) {
  run_forward(sala_problem(inputs, options), out, slots, threads);
}

void sala_backward(const Inputs& inputs, const Options& options, const Matrix& grad_out,
                   const Array<const uint8_t, 2>& slots, const Array<float, 2>& grad_projected,
                   const Array<float, 1>& grad_parameters, int threads) {
  const Problem p = sala_problem(inputs, options);
  require_shape(grad_parameters, "grad_parameters", {GradientLayout(p.R, p.H, p.S, p.D()).size});
  run_backward(p, grad_out, slots, grad_projected, grad_parameters.data(), threads);
}

void max_forward(const Matrix& features, const Table& neighbours, const Array<float, 2>& out,
                 const std::optional<Array<uint8_t, 2>>& slots, int threads) {
  run_forward(max_problem(features, neighbours), out, slots, threads);
}

void max_backward(const Matrix& features, const Table& neighbours, const Matrix& grad_out,
                  const Array<const uint8_t, 2>& slots, const Array<float, 2>& grad_features,
                  int threads) {
  const Problem p = max_problem(features, neighbours);
  std::vector<float> unused(GradientLayout(0, 0, 1, p.D()).size);
  run_backward(p, grad_out, slots, grad_features, unused.data(), threads);
}

void moments_forward(const Matrix& queries, const Matrix& supports, const Table& neighbours,
                     const Matrix& lift_w, const Vector& lift_b, float radius,
                     const Array<float, 2>& sums, const Array<float, 1>& counts,
                     const Array<float, 2>& gram, int threads) {
  const Problem p = lift_problem(queries, supports, neighbours, lift_w, lift_b, radius);
  require_shape(sums, "sums", {p.N, p.R});
  require_shape(counts, "counts", {p.N});
  require_shape(gram, "gram", {p.R, p.R});
  nb::gil_scoped_release release;
  const int64_t scratch_bytes = SALANET_DISPATCH(kIsa, moments_scratch_bytes(p));
  sum_over_supports(p, p.R * p.R, gram.data(), threads,
                    [&](int64_t begin, int64_t end, float* partial) {
                      const Memory scratch = allocate(scratch_bytes);
                      SALANET_DISPATCH(kIsa, moments(p, begin, end, sums.data(), counts.data(),
                                                     partial, scratch.get()));
                    });
}

void moments_backward(const Matrix& queries, const Matrix& supports, const Table& neighbours,
                      const Matrix& lift_w, const Vector& lift_b, float radius,
                      const Matrix& grad_sums, const Matrix& grad_gram,
                      const Array<float, 1>& grad_parameters, int threads) {
  const Problem p = lift_problem(queries, supports, neighbours, lift_w, lift_b, radius);
  const int64_t size = GradientLayout(p.R, 0, 0, 0).size;
  require_shape(grad_sums, "grad_sums", {p.N, p.R});
  require_shape(grad_gram, "grad_gram", {p.R, p.R});
  require_shape(grad_parameters, "grad_parameters", {size});
  nb::gil_scoped_release release;
  const int64_t scratch_bytes = SALANET_DISPATCH(kIsa, moments_scratch_bytes(p));
  sum_over_supports(
      p, size, grad_parameters.data(), threads, [&](int64_t begin, int64_t end, float* partial) {
        const Memory scratch = allocate(scratch_bytes);
        SALANET_DISPATCH(kIsa, moments_backward(p, grad_sums.data(), grad_gram.data(), begin, end,
                                                partial, scratch.get()));
      });
}

void pair_moments(const Matrix& queries, const Matrix& supports, const Table& neighbours,
                  const std::optional<Matrix>& lift_w, const std::optional<Vector>& lift_b,
                  float radius, const Array<float, 2>& gram, int threads) {
  const Problem p = pair_problem(queries, supports, neighbours, lift_w, lift_b, radius);
  const int64_t row = (p.lifts ? p.R : 3) + 1;
  require_shape(gram, "gram", {row, row});
  nb::gil_scoped_release release;
  const int64_t scratch_bytes = SALANET_DISPATCH(kIsa, pair_moments_scratch_bytes(p));
  sum_over_queries(p, row * row, gram.data(), threads,
                   [&](int64_t begin, int64_t end, float* partial) {
                     const Memory scratch = allocate(scratch_bytes);
                     SALANET_DISPATCH(kIsa, pair_moments(p, begin, end, partial, scratch.get()));
                   });
}

void pair_moments_backward(const Matrix& queries, const Matrix& supports, const Table& neighbours,
                           const Matrix& lift_w, const Vector& lift_b, float radius,
                           const Matrix& grad_gram, const Array<float, 1>& grad_parameters,
                           int threads) {
  const Problem p = pair_problem(queries, supports, neighbours, lift_w, lift_b, radius);
  const int64_t size = GradientLayout(p.R, 0, 0, 0).size, row = p.R + 1;
  require_shape(grad_gram, "grad_gram", {row, row});
  require_shape(grad_parameters, "grad_parameters", {size});
  nb::gil_scoped_release release;
  std::vector<float> grad(row * row);  // what a step of r changes in both halves of the gram
  for (int64_t a = 0; a < row; ++a)
    for (int64_t b = 0; b < row; ++b) grad[a * row + b] = grad_gram(a, b) + grad_gram(b, a);
  const int64_t scratch_bytes = SALANET_DISPATCH(kIsa, pair_moments_scratch_bytes(p));
  sum_over_queries(
      p, size, grad_parameters.data(), threads, [&](int64_t begin, int64_t end, float* partial) {
        const Memory scratch = allocate(scratch_bytes);
        SALANET_DISPATCH(kIsa, pair_moments_backward(p, grad.data(), begin, end, partial,
                                                     scratch.get()));
      });
}

}  // namespace
}  // namespace salanet

NB_MODULE(_aggregation, m) {
  using namespace nb::literals;
  salanet::translate_errors();
  m.attr("isa") = salanet::isa_name(salanet::kIsa);
  m.attr("max_lifted") = salanet::kMaxLifted;
  m.attr("max_hidden") = salanet::kMaxHidden;
  m.attr("max_groups") = salanet::kMaxGroups;
  m.attr("max_slots") = salanet::kMaxSlots;
  using salanet::fixed;
  m.def("sala_forward", &salanet::sala_forward, fixed("inputs"), "options"_a, fixed("out"),
        fixed("slots").none(), "threads"_a);
  m.def("sala_backward", &salanet::sala_backward, fixed("inputs"), "options"_a, fixed("grad_out"),
        fixed("slots"), fixed("grad_projected"), fixed("grad_parameters"), "threads"_a);
  m.def("max_forward", &salanet::max_forward, fixed("features"), fixed("neighbours"), fixed("out"),
        fixed("slots").none(), "threads"_a);
  m.def("max_backward", &salanet::max_backward, fixed("features"), fixed("neighbours"),
        fixed("grad_out"), fixed("slots"), fixed("grad_features"), "threads"_a);
  m.def("moments_forward", &salanet::moments_forward, fixed("queries"), fixed("supports"),
        fixed("neighbours"), fixed("lift_w"), fixed("lift_b"), "radius"_a, fixed("sums"),
        fixed("counts"), fixed("gram"), "threads"_a);
  m.def("moments_backward", &salanet::moments_backward, fixed("queries"), fixed("supports"),
        fixed("neighbours"), fixed("lift_w"), fixed("lift_b"), "radius"_a, fixed("grad_sums"),
        fixed("grad_gram"), fixed("grad_parameters"), "threads"_a);
  m.def("pair_moments", &salanet::pair_moments, fixed("queries"), fixed("supports"),
        fixed("neighbours"), fixed("lift_w").none(), fixed("lift_b").none(), "radius"_a,
        fixed("gram"), "threads"_a);
  m.def("pair_moments_backward", &salanet::pair_moments_backward, fixed("queries"),
        fixed("supports"), fixed("neighbours"), fixed("lift_w"), fixed("lift_b"), "radius"_a,
        fixed("grad_gram"), fixed("grad_parameters"), "threads"_a);
}
