// What Python sees of the geometry kernels. Arguments are checked in salanet.ops; here it is made
// sure that no shape or type can make a kernel leave its arrays.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <algorithm>

#include "common/arrays.h"
#include "common/isa.h"
#include "geometry/grid.h"
#include "geometry/point_index.h"
#include "geometry/search.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using salanet::Grid;
using salanet::PointIndex;

using salanet::fixed;
using salanet::require;

template <typename T>
using Rows = salanet::Array<const T, 2>;
template <typename T>
using Column = salanet::Array<const T, 1>;
template <typename T>
using RowsOut = salanet::Array<T, 2>;
template <typename T>
using ColumnOut = salanet::Array<T, 1>;

void require_clouds(size_t columns, size_t rows, const Column<int64_t>& splits) {
  const int64_t* at = splits.data();
  const size_t size = splits.size();
  require(columns == 3 && rows <= salanet::kMaxRows, "points must have shape (N, 3), N below 2^31 - 1");
  require(size > 0 && at[0] == 0 && at[size - 1] == static_cast<int64_t>(rows) &&
              std::is_sorted(at, at + size),
          "splits must rise from 0 to the number of points");
}

template <typename T>
void bind_grid_points(nb::class_<Grid>& grid) {
  grid.def(
      "__init__",
      [](Grid* self, const Rows<T>& points, double cell_size, const Column<int64_t>& splits,
         int threads) {
        require_clouds(points.shape(1), points.shape(0), splits);
        nb::gil_scoped_release release;
        new (self) Grid(points.data(), static_cast<int64_t>(points.shape(0)), cell_size,
                        splits.data(), static_cast<int64_t>(splits.size()) - 1, threads);
      },
      fixed("points"), "cell_size"_a, fixed("splits"), "threads"_a);
}

template <typename T, typename Out>
void bind_grid_mean(nb::class_<Grid>& grid) {
  grid.def(
      "mean",
      [](const Grid& self, const Rows<T>& values, const RowsOut<Out>& out, int threads) {
        require(static_cast<int64_t>(values.shape(0)) == self.points() &&
                    static_cast<int64_t>(out.shape(0)) == self.count() &&
                    values.shape(1) == out.shape(1),
                "values must have shape (N, C), out (cells, C)");
        nb::gil_scoped_release release;
        self.mean(values.data(), static_cast<int64_t>(values.shape(1)), out.data(), threads);
      },
      fixed("values"), fixed("out"), "threads"_a);
}

template <typename T>
void bind_grid_majority(nb::class_<Grid>& grid) {
  grid.def(
      "majority",
      [](const Grid& self, const Column<T>& labels, const ColumnOut<T>& out, int threads) {
        require(static_cast<int64_t>(labels.size()) == self.points() &&
                    static_cast<int64_t>(out.size()) == self.count(),
                "labels must have shape (N,), out (cells,)");
        nb::gil_scoped_release release;
        self.majority(labels.data(), out.data(), threads);
      },
      fixed("labels"), fixed("out"), "threads"_a);
}

}  // namespace

NB_MODULE(_geometry, m) {
  m.attr("isa") = salanet::isa_name(salanet::detect_isa());

  salanet::translate_errors();

  nb::class_<PointIndex>(m, "PointIndex")
      .def(
          "__init__",
          [](PointIndex* self, const Rows<float>& points, const Column<int64_t>& splits,
             const std::string& name, int threads) {
            require_clouds(points.shape(1), points.shape(0), splits);
            nb::gil_scoped_release release;
            new (self) PointIndex(points.data(), static_cast<int64_t>(points.shape(0)),
                                  splits.data(), static_cast<int64_t>(splits.size()) - 1, name,
                                  threads);
          },
          fixed("points"), fixed("splits"), "name"_a, "threads"_a)
      .def(
          "radius_search",
          [](const PointIndex& self, const PointIndex& supports, double radius,
             const RowsOut<int32_t>& out, int threads) {
            require(self.clouds.size() == supports.clouds.size(), "clouds must match");
            require(static_cast<int64_t>(out.shape(0)) == self.count && out.shape(1) > 0,
                    "out must have shape (queries, k)");
            nb::gil_scoped_release release;
            salanet::radius_search(self, supports, static_cast<float>(radius),
                                   static_cast<int64_t>(out.shape(1)), out.data(), threads);
          },
          "supports"_a, "radius"_a, fixed("out"), "threads"_a)
      .def(
          "nearest",
          [](const PointIndex& self, const PointIndex& supports, const ColumnOut<int32_t>& out,
             int threads) {
            require(self.clouds.size() == supports.clouds.size(), "clouds must match");
            require(static_cast<int64_t>(out.size()) == self.count, "out must have shape (queries,)");
            for (size_t i = 0; i < self.clouds.size(); ++i)
              require(self.clouds[i].begin == self.clouds[i].end ||
                          supports.clouds[i].begin < supports.clouds[i].end,
                      "a cloud has queries but no supports");
            nb::gil_scoped_release release;
            salanet::nearest(self, supports, out.data(), threads);
          },
          "supports"_a, fixed("out"), "threads"_a);

  nb::class_<Grid> grid(m, "Grid");
  bind_grid_points<float>(grid);
  bind_grid_points<double>(grid);
  bind_grid_mean<uint8_t, float>(grid);
  bind_grid_mean<float, float>(grid);
  bind_grid_mean<double, float>(grid);
  bind_grid_mean<double, double>(grid);
  bind_grid_majority<uint8_t>(grid);
  bind_grid_majority<int16_t>(grid);
  bind_grid_majority<int32_t>(grid);
  bind_grid_majority<int64_t>(grid);
  grid.def_prop_ro("count", &Grid::count)
      .def(
          "cells",
          [](const Grid& self, const ColumnOut<int32_t>& out, int threads) {
            require(static_cast<int64_t>(out.size()) == self.points(), "out must have shape (N,)");
            nb::gil_scoped_release release;
            self.cells(out.data(), threads);
          },
          fixed("out"), "threads"_a)
      .def(
          "splits",
          [](const Grid& self, const ColumnOut<int64_t>& out) {
            require(out.size() == self.splits().size(), "out must have shape (clouds + 1,)");
            std::copy(self.splits().begin(), self.splits().end(), out.data());
          },
          fixed("out"));
}
