#pragma once

#include <stdexcept>

namespace salanet {

// Becomes salanet.errors.DataError in Python.
struct DataError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace salanet
