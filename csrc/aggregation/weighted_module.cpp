// The Python face of the weighted sums: arrays in, threads over fixed chunks, arrays out.
// Shapes are checked here, so that no caller can make a kernel leave its arrays.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include <optional>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "aggregation/weighted.h"
#include "common/arrays.h"
#include "common/isa.h"
#include "common/parallel.h"

namespace nb = nanobind;

namespace salanet {
namespace {

using Matrix = Array<const float, 2>;
using Cube = Array<const float, 3>;
using Table = Array<const int32_t, 2>;
// values, groups, number of groups, neighbours, features
using Inputs = std::tuple<std::optional<Cube>, std::optional<Array<const int32_t, 3>>, int64_t,
                          Table, Matrix>;

const Isa kIsa = detect_isa();
constexpr int64_t kGrain = 256;
constexpr int64_t kPartials = 32;

Weighted problem(const Inputs& inputs) {
  const auto& [values, groups, count, neighbours, features] = inputs;
  Weighted p{};
  p.values = values ? values->data() : nullptr;
  p.groups = groups ? groups->data() : nullptr;
  p.neighbours = neighbours.data();
  p.features = features.data();
  p.M = neighbours.shape(0), p.K = neighbours.shape(1);
  p.N = features.shape(0), p.C = features.shape(1);
  p.T = values ? values->shape(2) : 1;
  p.G = count;
  require(p.M <= kMaxRows && p.N <= kMaxRows, "at most 2^31 - 2 queries and supports");
  require(count >= 1 && (groups ? values.has_value() : p.T <= count),
          "there must be a group for every value, and values where groups are named");
  if (values) require_shape(*values, "values", {p.M, p.K, p.T});
  if (groups) require_shape(*groups, "groups", {p.M, p.K, p.T});
  for (int64_t e = 0; p.groups != nullptr && e < p.M * p.K * p.T; ++e)
    if (p.groups[e] < 0 || p.groups[e] >= p.G) throw std::out_of_range("a group does not exist");
  return p;
}

// The transposed neighbour lists; filled in order, so that sums over them are always the same.
struct Transposed {
  std::vector<int64_t> begin, pairs;

  explicit Transposed(const Weighted& p) : begin(p.N + 1), pairs() {
    const auto present = [&](int64_t j) { return j >= 0 && j < p.N; };
    for (int64_t e = 0; e < p.M * p.K; ++e)
      if (present(p.neighbours[e])) ++begin[p.neighbours[e] + 1];
    for (int64_t j = 0; j < p.N; ++j) begin[j + 1] += begin[j];
    pairs.resize(begin[p.N]);
    std::vector<int64_t> next(begin.begin(), begin.end() - 1);
    for (int64_t e = 0; e < p.M * p.K; ++e)
      if (present(p.neighbours[e])) pairs[next[p.neighbours[e]]++] = e;
  }

  Users users() const { return {begin.data(), pairs.data()}; }
};

template <typename Body>
void over(int64_t rows, int threads, Body&& body) {
  nb::gil_scoped_release release;
  parallel_for(rows, kGrain, threads, [&](int64_t begin, int64_t end, int64_t) { body(begin, end); });
}

template <typename Body>
void over_queries(const Weighted& p, int threads, Body&& body) {
  over(p.M, threads, [&](int64_t begin, int64_t end) {
    require_rows(p.neighbours, begin * p.K, end * p.K, p.N);
    body(begin, end);
  });
}

void offsets(const Matrix& queries, const Matrix& supports, const Table& neighbours, float radius,
             const Array<float, 3>& out, int threads) {
  Weighted p{};
  p.neighbours = neighbours.data();
  p.M = neighbours.shape(0), p.K = neighbours.shape(1), p.N = supports.shape(0);
  require(p.M <= kMaxRows && p.N <= kMaxRows, "at most 2^31 - 2 queries and supports");
  require_shape(queries, "queries", {p.M, 3});
  require_shape(supports, "supports", {p.N, 3});
  require_shape(out, "out", {p.M, p.K, 3});
  over_queries(p, threads, [&](int64_t begin, int64_t end) {
    SALANET_DISPATCH(kIsa, offsets(p, queries.data(), supports.data(), radius, begin, end,
                                   out.data()));
  });
}

void influence(const Matrix& offsets, const Matrix& points, float extent,
               const Array<float, 2>& out, int threads) {
  const int64_t pairs = offsets.shape(0), groups = points.shape(1);
  require_shape(offsets, "offsets", {pairs, 3});
  require_shape(points, "points", {3, groups});
  require_shape(out, "out", {pairs, groups});
  over(pairs, threads, [&](int64_t begin, int64_t end) {
    SALANET_DISPATCH(kIsa, influence(offsets.data(), points.data(), groups, extent, begin, end,
                                     out.data()));
  });
}

void depthwise(const Inputs& inputs, const Matrix& weight, const Array<float, 2>& out,
               int threads) {
  const Weighted p = problem(inputs);
  require_shape(weight, "weight", {p.G, p.C});
  require_shape(out, "out", {p.M, p.C});
  over_queries(p, threads, [&](int64_t begin, int64_t end) {
    SALANET_DISPATCH(kIsa, depthwise(p, weight.data(), begin, end, out.data()));
  });
}

void depthwise_backward(const Inputs& inputs, const Matrix& weight, const Matrix& grad,
                        const std::optional<Array<float, 2>>& grad_features,
                        const std::optional<Array<float, 2>>& grad_weight, int threads) {
  const Weighted p = problem(inputs);
  require_shape(weight, "weight", {p.G, p.C});
  require_shape(grad, "grad", {p.M, p.C});
  if (grad_features) require_shape(*grad_features, "grad_features", {p.N, p.C});
  if (grad_weight) require_shape(*grad_weight, "grad_weight", {p.G, p.C});
  if (grad_features) {
    const Transposed transposed(p);
    const Users users = transposed.users();
    over(p.N, threads, [&](int64_t begin, int64_t end) {
      SALANET_DISPATCH(kIsa, depthwise_features(p, weight.data(), users, grad.data(), begin, end,
                                                grad_features->data()));
    });
  }
  if (grad_weight) {
    const int64_t size = p.G * p.C;
    std::vector<float> partials(kPartials * size);
    {
      nb::gil_scoped_release release;
      parallel_for(kPartials, 1, threads, [&](int64_t, int64_t, int64_t chunk) {
        const int64_t begin = p.M * chunk / kPartials, end = p.M * (chunk + 1) / kPartials;
        SALANET_DISPATCH(kIsa, depthwise_weight(p, grad.data(), begin, end,
                                                partials.data() + chunk * size));
      });
    }
    float* out = grad_weight->data();
    for (int64_t e = 0; e < size; ++e) {
      out[e] = 0.0f;
      for (int64_t chunk = 0; chunk < kPartials; ++chunk) out[e] += partials[chunk * size + e];
    }
  }
}

void grid(const Inputs& inputs, const Array<float, 3>& out, int threads) {
  const Weighted p = problem(inputs);
  require_shape(out, "out", {p.M, p.G, p.C});
  over_queries(p, threads, [&](int64_t begin, int64_t end) {
    SALANET_DISPATCH(kIsa, grid(p, begin, end, out.data()));
  });
}

void grid_backward(const Inputs& inputs, const Cube& grad,
                   const std::optional<Array<float, 2>>& grad_features,
                   const std::optional<Array<float, 3>>& grad_values, int threads) {
  const Weighted p = problem(inputs);
  require_shape(grad, "grad", {p.M, p.G, p.C});
  if (grad_features) require_shape(*grad_features, "grad_features", {p.N, p.C});
  if (grad_values) require_shape(*grad_values, "grad_values", {p.M, p.K, p.T});
  if (grad_features) {
    const Transposed transposed(p);
    const Users users = transposed.users();
    over(p.N, threads, [&](int64_t begin, int64_t end) {
      SALANET_DISPATCH(kIsa, grid_features(p, users, grad.data(), begin, end,
                                           grad_features->data()));
    });
  }
  if (grad_values)
    over(p.M, threads, [&](int64_t begin, int64_t end) {
      SALANET_DISPATCH(kIsa, grid_values(p, grad.data(), begin, end, grad_values->data()));
    });
}

// Rows of a cloud (n, 3), each the one farthest from those before; the first is row 0.
void farthest(const Matrix& points, const Array<int64_t, 1>& chosen) {
  const int64_t n = points.shape(0), count = chosen.shape(0);
  require_shape(points, "points", {n, 3});
  require(n > 0 || count == 0, "there are no points to choose from");
  nb::gil_scoped_release release;
  const float* p = points.data();
  std::vector<float> x(n), y(n), z(n), nearest(n, 3.4e38f);
  for (int64_t j = 0; j < n; ++j) x[j] = p[3 * j], y[j] = p[3 * j + 1], z[j] = p[3 * j + 2];
  int64_t last = 0;
  for (int64_t i = 0; i < count; ++i) {
    chosen.data()[i] = last;
    last = SALANET_DISPATCH(kIsa, farthest_step(x.data(), y.data(), z.data(), n, last,
                                                nearest.data()));
  }
}

}  // namespace
}  // namespace salanet

NB_MODULE(_weighted, m) {
  using namespace nb::literals;
  salanet::translate_errors();
  m.attr("isa") = salanet::isa_name(salanet::kIsa);
  using salanet::fixed;
  m.def("offsets", &salanet::offsets, fixed("queries"), fixed("supports"), fixed("neighbours"),
        "radius"_a, fixed("out"), "threads"_a);
  m.def("influence", &salanet::influence, fixed("offsets"), fixed("points"), "extent"_a,
        fixed("out"), "threads"_a);
  m.def("depthwise", &salanet::depthwise, fixed("inputs"), fixed("weight"), fixed("out"),
        "threads"_a);
  m.def("depthwise_backward", &salanet::depthwise_backward, fixed("inputs"), fixed("weight"),
        fixed("grad"), fixed("grad_features").none(), fixed("grad_weight").none(), "threads"_a);
  m.def("grid", &salanet::grid, fixed("inputs"), fixed("out"), "threads"_a);
  m.def("grid_backward", &salanet::grid_backward, fixed("inputs"), fixed("grad"),
        fixed("grad_features").none(), fixed("grad_values").none(), "threads"_a);
  m.def("farthest", &salanet::farthest, fixed("points"), fixed("chosen"));
}
