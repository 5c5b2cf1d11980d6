// The Python face of the aggregation kernels: arrays in, threads over fixed chunks, arrays out.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
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
#include "common/isa.h"
#include "common/parallel.h"

namespace nb = nanobind;

namespace salanet {
namespace {

template <typename T, int dimensions>
using Array = nb::ndarray<T, nb::ndim<dimensions>, nb::c_contig, nb::device::cpu>;
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
  return p;
}

void set_features(Problem& p, const Matrix& features, int groups) {
  p.projected = features.data();
  p.stride = features.shape(1);
  p.S = groups, p.C = p.stride / groups;
}

Problem sala_problem(const Inputs& inputs, const Options& options) {
  const auto& [queries, supports, neighbours, projected, lift_w, lift_b, hidden_w, hidden_b,
               score_w, score_b, position_w, bias] = inputs;
  const auto& [radius, groups, relu, sum, assignment] = options;
  Problem p = basic_problem(neighbours, supports.shape(0));
  set_features(p, projected, groups);
  p.queries = queries.data(), p.supports = supports.data();
  p.lift_w = lift_w.data(), p.lift_b = lift_b.data(), p.R = static_cast<int>(lift_w.shape(0));
  p.hidden_w = hidden_w.data(), p.hidden_b = hidden_b.data();
  p.H = static_cast<int>(hidden_w.shape(0));
  p.score_w = score_w.data(), p.score_b = score_b.data();
  p.position_w = position_w ? position_w->data() : nullptr;
  p.bias = bias ? bias->data() : nullptr;
  p.inverse_radius = 1.0f / radius;
  if (relu) p.floor = 0.0f;
  p.sum = sum;
  p.assignment = static_cast<Assignment>(assignment);
  p.lifts = p.R > 0 && (p.position_w != nullptr || p.scores());
  return p;
}

Problem lift_problem(const Matrix& queries, const Matrix& supports, const Table& neighbours,
                     const Matrix& lift_w, const Vector& lift_b, float radius) {
  Problem p = basic_problem(neighbours, supports.shape(0));
  p.queries = queries.data(), p.supports = supports.data();
  p.lift_w = lift_w.data(), p.lift_b = lift_b.data(), p.R = static_cast<int>(lift_w.shape(0));
  p.inverse_radius = 1.0f / radius;
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

void run_forward(Problem p, float* out, uint8_t* slots, int threads) {
  nb::gil_scoped_release release;
  const Memory padded = pad_rows(p), packed = pack(p);
  const int64_t scratch_bytes = SALANET_DISPATCH(kIsa, forward_scratch_bytes(p));
  const int64_t grain = std::clamp<int64_t>(p.M / 64, 8, 1024);
  parallel_for(p.M, grain, threads, [&](int64_t begin, int64_t end, int64_t) {
    const Memory scratch = allocate(scratch_bytes);
    SALANET_DISPATCH(kIsa, forward(p, packed.get(), begin, end, out, slots, scratch.get()));
  });
}

// body(begin, end, partial) over chunks of supports; the partial sums are added up in their order.
template <typename Body>
void sum_over_supports(int64_t supports, int64_t size, float* total, int threads, Body&& body) {
  const int64_t grain = std::max<int64_t>(1, (supports + kSupportChunks - 1) / kSupportChunks);
  const int64_t chunks = (supports + grain - 1) / grain;
  std::vector<float> partials(chunks * size, 0.0f);
  parallel_for(supports, grain, threads, [&](int64_t begin, int64_t end, int64_t chunk) {
    body(begin, end, partials.data() + chunk * size);
  });
  for (int64_t k = 0; k < size; ++k) {
    double sum = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += partials[chunk * size + k];
    total[k] = static_cast<float>(sum);
  }
}

void run_backward(Problem p, const Gradients& grad, float* parameters, int threads) {
  nb::gil_scoped_release release;
  const Memory padded = pad_rows(p), packed = pack(p);
  const int64_t scratch_bytes = SALANET_DISPATCH(kIsa, backward_scratch_bytes(p));
  const int64_t size = GradientLayout(p.R, p.H, p.S, p.D()).size;
  sum_over_supports(p.N, size, parameters, threads, [&](int64_t begin, int64_t end, float* partial) {
    const Memory scratch = allocate(scratch_bytes);
    SALANET_DISPATCH(kIsa,
                     backward(p, packed.get(), grad, begin, end, partial, scratch.get()));
  });
}

void sala_forward(const Inputs& inputs, const Options& options, Array<float, 2> out,
                  std::optional<Array<uint8_t, 2>> slots, int threads) {
  run_forward(sala_problem(inputs, options), out.data(), slots ? slots->data() : nullptr, threads);
}

void sala_backward(const Inputs& inputs, const Options& options, Matrix grad_out,
                   Array<const uint8_t, 2> slots, Array<float, 2> grad_projected,
                   Array<float, 1> grad_parameters, int threads) {
  run_backward(sala_problem(inputs, options),
               {grad_out.data(), slots.data(), grad_projected.data()}, grad_parameters.data(),
               threads);
}

void max_forward(Matrix features, Table neighbours, Array<float, 2> out,
                 std::optional<Array<uint8_t, 2>> slots, int threads) {
  Problem p = basic_problem(neighbours, features.shape(0));
  set_features(p, features, 1);
  run_forward(p, out.data(), slots ? slots->data() : nullptr, threads);
}

void max_backward(Matrix features, Table neighbours, Matrix grad_out,
                  Array<const uint8_t, 2> slots, Array<float, 2> grad_features, int threads) {
  Problem p = basic_problem(neighbours, features.shape(0));
  set_features(p, features, 1);
  std::vector<float> unused(GradientLayout(0, 0, 1, p.D()).size);
  run_backward(p, {grad_out.data(), slots.data(), grad_features.data()}, unused.data(), threads);
}

void moments_forward(Matrix queries, Matrix supports, Table neighbours, Matrix lift_w,
                     Vector lift_b, float radius, Array<float, 2> sums, Array<float, 1> counts,
                     Array<float, 2> gram, int threads) {
  const Problem p = lift_problem(queries, supports, neighbours, lift_w, lift_b, radius);
  nb::gil_scoped_release release;
  const int64_t scratch_bytes = SALANET_DISPATCH(kIsa, moments_scratch_bytes(p));
  sum_over_supports(p.N, p.R * p.R, gram.data(), threads,
                    [&](int64_t begin, int64_t end, float* partial) {
                      const Memory scratch = allocate(scratch_bytes);
                      SALANET_DISPATCH(kIsa, moments(p, begin, end, sums.data(), counts.data(),
                                                     partial, scratch.get()));
                    });
}

void moments_backward(Matrix queries, Matrix supports, Table neighbours, Matrix lift_w,
                      Vector lift_b, float radius, Matrix grad_sums, Matrix grad_gram,
                      Array<float, 1> grad_parameters, int threads) {
  const Problem p = lift_problem(queries, supports, neighbours, lift_w, lift_b, radius);
  nb::gil_scoped_release release;
  const int64_t scratch_bytes = SALANET_DISPATCH(kIsa, moments_scratch_bytes(p));
  sum_over_supports(
      p.N, GradientLayout(p.R, 0, 0, 0).size, grad_parameters.data(), threads,
      [&](int64_t begin, int64_t end, float* partial) {
        const Memory scratch = allocate(scratch_bytes);
        SALANET_DISPATCH(kIsa, moments_backward(p, grad_sums.data(), grad_gram.data(), begin, end,
                                                partial, scratch.get()));
      });
}

}  // namespace
}  // namespace salanet

NB_MODULE(_aggregation, m) {
  using namespace nb::literals;
  m.attr("isa") = salanet::isa_name(salanet::kIsa);
  m.attr("max_lifted") = salanet::kMaxLifted;
  m.attr("max_hidden") = salanet::kMaxHidden;
  m.attr("max_groups") = salanet::kMaxGroups;
  m.attr("max_slots") = salanet::kMaxSlots;
  m.def("sala_forward", &salanet::sala_forward, "inputs"_a, "options"_a, "out"_a,
        "slots"_a.none(), "threads"_a);
  m.def("sala_backward", &salanet::sala_backward);
  m.def("max_forward", &salanet::max_forward, "features"_a, "neighbours"_a, "out"_a,
        "slots"_a.none(), "threads"_a);
  m.def("max_backward", &salanet::max_backward);
  m.def("moments_forward", &salanet::moments_forward);
  m.def("moments_backward", &salanet::moments_backward);
}
