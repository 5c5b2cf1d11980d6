#include <nanobind/nanobind.h>

#include "common/isa.h"

NB_MODULE(_aggregation, m) {
  m.attr("isa") = salanet::isa_name(salanet::detect_isa());
}
