// A model file, opened: what the Python module and the C library run.
#pragma once

#include <string>

#include "common/data_error.h"
#include "engine/config.h"
#include "engine/network.h"
#include "engine/tensors.h"

namespace salanet {

struct Model {
  Config config;
  Card card;
  Network network;

  // DataError: the file cannot be read, is damaged, or of a model that the executor does not run.
  static Model open(const std::string& path) { return of(TensorFile::read(path)); }
  static Model of(const TensorFile& file) {
    if (file.document().empty()) throw DataError("it is no model of salanet: it has no description");
    return of(file, Json::parse(file.document()));
  }

 private:
  static Model of(const TensorFile& file, const Json& document) {
    const Config config = read_config(document);
    return {config, read_card(document), Network(config, Weights(file))};
  }
};

}  // namespace salanet
