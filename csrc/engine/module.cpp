// The executor as Python sees it: a model file opened, pyramids, logits. Shapes are checked here,
// so that no caller can make a kernel leave its arrays.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <vector>

#include "aggregation/problem.h"
#include "common/arrays.h"
#include "engine/model.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace salanet {
namespace {

using Matrix = Array<const float, 2>;
using Indices = Array<const int32_t, 2>;
using Column = Array<const int32_t, 1>;
// points, neighbours, pool, upsample of a level
using Given = std::tuple<Matrix, Indices, std::optional<Indices>, std::optional<Column>>;

// The arrays that a pyramid borrows live as long as it does: see keep_alive below.
Pyramid pyramid_of(const std::vector<Given>& given) {
  require(given.size() == kLevels, "a pyramid has five levels");
  Pyramid pyramid;
  for (size_t s = 0; s < kLevels; ++s) {
    const auto& [points, neighbours, pool, upsample] = given[s];
    const auto count = static_cast<int64_t>(points.shape(0));
    const auto k = static_cast<int64_t>(neighbours.shape(1));
    require(count > 0 && count <= kMaxRows && k > 0, "a level has points and neighbours");
    require_shape(points, "points", {count, 3});
    require_shape(neighbours, "neighbours", {count, k});
    require_rows(neighbours.data(), 0, count * k, count);
    PyramidLevel& level = pyramid.levels[s];
    level.place(points.data(), count);
    level.k = k;
    level.neighbours = Table(neighbours.data());
    require(pool.has_value() == (s + 1 < kLevels) && upsample.has_value() == pool.has_value(),
            "every level but the coarsest has a pool and an upsample");
    if (!pool) continue;
    const auto coarse = static_cast<int64_t>(std::get<0>(given[s + 1]).shape(0));
    require_shape(*pool, "pool", {coarse, k});
    require_rows(pool->data(), 0, coarse * k, count);
    require_shape(*upsample, "upsample", {count});
    require(coarse > 0 && std::all_of(upsample->data(), upsample->data() + count,
                                      [&](int32_t row) { return row >= 0 && row < coarse; }),
            "upsample must name rows of the next level");
    level.pool = Table(pool->data());
    level.upsample = Table(upsample->data());
  }
  return pyramid;
}

Pyramid pyramid_of_points(const Model& model, const Matrix& points, int threads) {
  const auto count = static_cast<int64_t>(points.shape(0));
  require_shape(points, "points", {count, 3});
  require(count > 0 && count <= kMaxRows, "at least one point, at most 2^31 - 2");
  nb::gil_scoped_release release;
  return Pyramid::build(points.data(), count, model.config.pyramid, threads);
}

void require_features(const Model& model, const Matrix& features, const Array<float, 2>& out,
                      int64_t count) {
  require_shape(features, "features", {count, model.network.in_channels});
  require_shape(out, "out", {count, model.network.classes});
}

void require_neighbours(const Pyramid& pyramid) {
  for (const PyramidLevel& level : pyramid.levels)
    require(level.neighbours.data() != nullptr && level.k <= kMaxSlots,
            "the pyramid has been used up, or has more than 255 neighbours");
}

RunOptions options_of(int threads, bool bf16, bool consume = false) {
  return {threads, bf16 ? Precision::bf16 : Precision::float32, consume};
}

void logits(const Model& model, const Matrix& features, Pyramid& pyramid,
            const Array<float, 2>& out, int threads, bool bf16) {
  require_features(model, features, out, pyramid.levels[0].count);
  require_neighbours(pyramid);
  nb::gil_scoped_release release;
  run(model.network, features.data(), pyramid, out.data(), options_of(threads, bf16));
}

nb::dict shares(const Model& model, const Matrix& features, Pyramid& pyramid,
                const Array<float, 2>& out, int threads, bool bf16) {
  require_features(model, features, out, pyramid.levels[0].count);
  require_neighbours(pyramid);
  Shares found;
  run(model.network, features.data(), pyramid, out.data(), options_of(threads, bf16), &found);
  nb::dict dict;
  dict["products"] = found.products;
  dict["aggregations"] = found.aggregations;
  dict["rest"] = found.rest;
  return dict;
}

void segment(const Model& model, const Matrix& points, const Matrix& features,
             const Array<float, 2>& out, int threads, bool bf16) {
  const auto count = static_cast<int64_t>(points.shape(0));
  require_shape(points, "points", {count, 3});
  require(count > 0 && count <= kMaxRows, "at least one point, at most 2^31 - 2");
  require_features(model, features, out, count);
  nb::gil_scoped_release release;
  Pyramid pyramid = Pyramid::build(points.data(), count, model.config.pyramid, threads);
  run(model.network, features.data(), pyramid, out.data(), options_of(threads, bf16, true));
}

// One dense layer, for tests: out = relu(weight x + bias + out)
void dense(const Matrix& weight, const Array<const float, 1>& bias, const Matrix& x,
           const Array<float, 2>& out, bool bf16) {
  const auto outputs = static_cast<int64_t>(weight.shape(0));
  const auto inputs = static_cast<int64_t>(weight.shape(1));
  const auto count = static_cast<int64_t>(x.shape(0));
  require_shape(bias, "bias", {outputs});
  require_shape(x, "x", {count, inputs});
  require_shape(out, "out", {count, outputs});
  require(outputs > 0 && inputs > 0, "a layer has inputs and outputs");
  const std::vector<float> weights(weight.data(), weight.data() + outputs * inputs);
  const Dense layer({inputs, outputs, weights, {bias.data(), bias.data() + outputs}},
                    Activation::relu);
  const int64_t panels = panels_of(count);
  const FloatArray in(panels * panel_floats(inputs)), found(panels * panel_floats(outputs));
  const FloatArray room(tiles::input_floats(inputs));
  const Panels from{in.data(), panel_floats(inputs)}, to{found.data(), panel_floats(outputs)};
  load_rows({x.data(), inputs}, count, inputs, from);
  load_rows({out.data(), outputs}, count, outputs, to);
  layer.run(from, to, panels, &to, bf16 && tiles::available() ? room.data() : nullptr);
  store_rows(to, count, outputs, out.data(), outputs);
}

}  // namespace
}  // namespace salanet

NB_MODULE(_engine, m) {
  using salanet::fixed;
  using salanet::Model;
  using salanet::Pyramid;
  salanet::translate_errors();
  m.attr("isa") = salanet::isa_name(salanet::kIsa);
  m.def("has_bf16", &salanet::tiles::available,
        "Whether products in bfloat16 run here; else float32 takes their place.");
  m.def("dense", &salanet::dense, fixed("weight"), fixed("bias"), fixed("x"), fixed("out"),
        "bf16"_a);
  nb::class_<Pyramid>(m, "Pyramid")
      .def("__init__",
           [](Pyramid* self, const std::vector<salanet::Given>& levels) {
             new (self) Pyramid(salanet::pyramid_of(levels));
           },
           "levels"_a, nb::keep_alive<1, 2>())
      .def_prop_ro("counts", [](const Pyramid& self) {
        std::vector<int64_t> counts;
        for (const auto& level : self.levels) counts.push_back(level.count);
        return counts;
      });
  nb::class_<Model>(m, "Model")
      .def("__init__",
           [](Model* self, const std::string& path) { new (self) Model(Model::open(path)); },
           "path"_a)
      .def("__init__",
           [](Model* self, const nb::bytes& file) {
             new (self) Model(Model::of(salanet::TensorFile({file.c_str(), file.size()})));
           },
           "file"_a)
      .def_prop_ro("classes", [](const Model& self) { return self.config.classes; })
      .def_prop_ro("in_channels", [](const Model& self) { return self.network.in_channels; })
      .def("pyramid", &salanet::pyramid_of_points, fixed("points"), "threads"_a,
           nb::keep_alive<0, 2>())
      .def("run_bytes",
           [](const Model& self, const Pyramid& pyramid, int threads, bool bf16) {
             return salanet::run_bytes(self.network, pyramid, salanet::options_of(threads, bf16));
           },
           "pyramid"_a, "threads"_a, "bf16"_a = false)
      .def("logits", &salanet::logits, fixed("features"), "pyramid"_a, fixed("out"), "threads"_a,
           "bf16"_a = false)
      .def("shares", &salanet::shares, fixed("features"), "pyramid"_a, fixed("out"), "threads"_a,
           "bf16"_a = false)
      .def("segment", &salanet::segment, fixed("points"), fixed("features"), fixed("out"),
           "threads"_a, "bf16"_a = false);
}
