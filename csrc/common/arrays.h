// Arrays as Python gives them. The modules make sure here that no shape can make a kernel leave its
// arrays; types, order and device are checked by nanobind.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <initializer_list>
#include <string>

#include "common/data_error.h"

namespace salanet {

template <typename T, int dimensions>
using Array = nanobind::ndarray<T, nanobind::ndim<dimensions>, nanobind::c_contig,
                                nanobind::device::cpu>;

constexpr int64_t kMaxRows = 0x7fffffff - 1;  // indices are int32

// The argument as it is: nanobind may convert others, and would fill a copy of an output.
inline auto fixed(const char* name) { return nanobind::arg(name).noconvert(); }

inline void require(bool holds, const char* what) {
  if (!holds) throw nanobind::value_error(what);
}

inline std::string shape_text(const int64_t* sizes, size_t count) {
  std::string text = "(";
  for (size_t k = 0; k < count; ++k) text += (k ? ", " : "") + std::to_string(sizes[k]);
  return text + (count == 1 ? ",)" : ")");
}

template <typename T, int dimensions>
void require_shape(const Array<T, dimensions>& array, const char* name,
                   const int64_t (&shape)[dimensions]) {
  int64_t found[dimensions];
  bool same = true;
  for (int k = 0; k < dimensions; ++k) {
    found[k] = static_cast<int64_t>(array.shape(k));
    same &= found[k] == shape[k];
  }
  if (same) return;
  const std::string what = std::string(name) + " must have shape " + shape_text(shape, dimensions) +
                           ", not " + shape_text(found, dimensions);
  throw nanobind::value_error(what.c_str());
}

// Entries [begin, end) of a neighbour table name rows 0 to supports - 1, or `supports` for none.
inline void require_rows(const int32_t* table, int64_t begin, int64_t end, int64_t supports) {
  const uint32_t missing = static_cast<uint32_t>(supports);
  uint32_t bad = 0;  // its sign bit
  for (int64_t e = begin; e < end; ++e) {
    const uint32_t row = static_cast<uint32_t>(table[e]);
    bad |= row | (missing - row);
  }
  if (bad >> 31 == 0) return;
  while (table[begin] >= 0 && table[begin] <= supports) ++begin;
  throw DataError("neighbours hold row " + std::to_string(table[begin]) + " of " +
                  std::to_string(supports) + " supports; a missing one is " +
                  std::to_string(supports));
}

// DataError becomes salanet.errors.DataError.
inline void translate_errors() {
  nanobind::register_exception_translator([](const std::exception_ptr& error, void*) {
    try {
      std::rethrow_exception(error);
    } catch (const DataError& e) {
      const nanobind::object type = nanobind::module_::import_("salanet.errors").attr("DataError");
      PyErr_SetString(type.ptr(), e.what());
    }
  });
}

}  // namespace salanet
