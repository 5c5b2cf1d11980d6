#include <nanobind/nanobind.h>

#include "common/isa.h"

NB_MODULE(_geometry, m) {
  m.attr("isa") = salanet::isa_name(salanet::detect_isa());
}
