// What a model file says about its network and its use; see salanet.models.ModelConfig.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/json.h"
#include "engine/pyramid.h"

namespace salanet {

struct Config {
  std::string op;  // the local aggregation
  Json op_options;
  int64_t width = 0, in_channels = 0;
  std::vector<std::string> features, classes;
  PyramidOptions pyramid{};

  double grid() const { return pyramid.grid; }
  double radius(int level) const;  // of the neighbourhoods of a level
};

// What decides how a cloud is labelled, beside the network.
struct Card {
  double intensity_scale = 0;       // the intensity that becomes 1; 0 if unknown
  bool own_intensity = false;       // clouds are brought to their own range
  double temperature = 1;           // of the softmax
  std::vector<std::string> optional;  // arrays that the model does without
  std::vector<int64_t> codes;       // of the classes in the training files; empty if unknown
};

// Of the JSON document that a model file carries. DataError: it is damaged, or of a model that
// the executor does not run; the text says which.
Config read_config(const Json& document);
Card read_card(const Json& document);

}  // namespace salanet
