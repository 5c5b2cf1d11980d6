// The Python face of the weighted sums: arrays in, threads over fixed chunks, arrays out.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include <optional>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "aggregation/weighted.h"
#include "common/isa.h"
#include "common/parallel.h"

namespace nb = nanobind;

namespace salanet {
namespace {

template <typename T, int dimensions>
using Array = nb::ndarray<T, nb::ndim<dimensions>, nb::c_contig, nb::device::cpu>;
using Matrix = Array<const float, 2>;
using Cube = Array<const float, 3>;
// values, groups, number of groups, neighbours, features
using Inputs = std::tuple<std::optional<Cube>, std::optional<Array<const int32_t, 3>>, int64_t,
                          Array<const int32_t, 2>, Matrix>;

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

void offsets(Matrix queries, Matrix supports, Array<const int32_t, 2> neighbours, float radius,
             Array<float, 3> out, int threads) {
  Weighted p{};
  p.neighbours = neighbours.data();
  p.M = neighbours.shape(0), p.K = neighbours.shape(1), p.N = supports.shape(0);
  over(p.M, threads, [&](int64_t begin, int64_t end) {
    SALANET_DISPATCH(kIsa, offsets(p, queries.data(), supports.data(), radius, begin, end,
                                   out.data()));
  });
}

void influence(Matrix offsets, Matrix points, float extent, Array<float, 2> out, int threads) {
  over(offsets.shape(0), threads, [&](int64_t begin, int64_t end) {
    SALANET_DISPATCH(kIsa, influence(offsets.data(), points.data(), points.shape(1), extent, begin,
                                     end, out.data()));
  });
}

void depthwise(const Inputs& inputs, Matrix weight, Array<float, 2> out, int threads) {
  const Weighted p = problem(inputs);
  over(p.M, threads, [&](int64_t begin, int64_t end) {
    SALANET_DISPATCH(kIsa, depthwise(p, weight.data(), begin, end, out.data()));
  });
}

void depthwise_backward(const Inputs& inputs, Matrix weight, Matrix grad,
                        std::optional<Array<float, 2>> grad_features,
                        std::optional<Array<float, 2>> grad_weight, int threads) {
  const Weighted p = problem(inputs);
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

void grid(const Inputs& inputs, Array<float, 3> out, int threads) {
  const Weighted p = problem(inputs);
  over(p.M, threads, [&](int64_t begin, int64_t end) {
    SALANET_DISPATCH(kIsa, grid(p, begin, end, out.data()));
  });
}

void grid_backward(const Inputs& inputs, Cube grad, std::optional<Array<float, 2>> grad_features,
                   std::optional<Array<float, 3>> grad_values, int threads) {
  const Weighted p = problem(inputs);
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
void farthest(Matrix points, Array<int64_t, 1> chosen) {
  nb::gil_scoped_release release;
  const int64_t n = points.shape(0), count = chosen.shape(0);
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
  m.attr("isa") = salanet::isa_name(salanet::kIsa);
  m.def("offsets", &salanet::offsets);
  m.def("influence", &salanet::influence);
  m.def("depthwise", &salanet::depthwise);
  m.def("depthwise_backward", &salanet::depthwise_backward, "inputs"_a, "weight"_a, "grad"_a,
        "grad_features"_a.none(), "grad_weight"_a.none(), "threads"_a);
  m.def("grid", &salanet::grid);
  m.def("grid_backward", &salanet::grid_backward, "inputs"_a, "grad"_a, "grad_features"_a.none(),
        "grad_values"_a.none(), "threads"_a);
  m.def("farthest", &salanet::farthest);
}
