#include "engine/config.h"

#include <algorithm>
#include <cmath>

#include "aggregation/problem.h"
#include "common/data_error.h"

namespace salanet {
namespace {

constexpr int64_t kWidest = 1 << 14;

double between(const Json& value, const char* name, double least, double most) {
  const double found = value.as_number(name);
  if (!(found >= least && found <= most))
    throw DataError("its '" + std::string(name) + "' is out of range");
  return found;
}

std::vector<std::string> names(const Json& value, const char* name) {
  std::vector<std::string> found;
  for (const Json& item : value.as_list(name)) found.push_back(item.as_text(name));
  return found;
}

// The member of an object; null where it is absent or null.
const Json* given(const Json& object, const char* name) {
  const Json* found = object.find(name);
  return found == nullptr || found->kind == Json::Kind::null ? nullptr : found;
}

}  // namespace

double Config::radius(int level) const { return std::ldexp(pyramid.radius, level); }

Config read_config(const Json& document) {
  const Json& json = document.at("config", "description");
  Config config;
  const std::string& network = json.at("network", "config").as_text("network");
  if (network != "salanet")
    throw DataError("the network '" + network + "' has no native executor");
  config.op = json.at("operator", "config").as_text("operator");
  config.op_options.kind = Json::Kind::object;
  if (const Json* options = given(json, "operator_options")) config.op_options = *options;
  if (config.op_options.kind != Json::Kind::object)
    throw DataError("its 'operator_options' is no object");
  config.width = json.at("width", "config").as_integer("width", 2, kWidest);
  config.in_channels = json.at("in_channels", "config").as_integer("in_channels", 1, kWidest);
  if (const Json* parts = given(json, "parts"); parts != nullptr && !parts->members.empty())
    throw DataError("it is a model of object parts; labelling scenes needs a scene model");
  config.classes = names(json.at("classes", "config"), "classes");
  if (config.classes.empty()) throw DataError("it has no classes");
  if (const Json* features = given(json, "features")) config.features = names(*features, "features");
  for (std::string& name : config.features) std::replace(name.begin(), name.end(), '-', '_');
  const double radius_cells =
      between(json.at("radius_cells", "config"), "radius_cells", 1e-2, 1e2);
  config.pyramid.grid = between(json.at("grid", "config"), "grid", 1e-6, 1e6);
  config.pyramid.radius = radius_cells * config.pyramid.grid;
  const auto& neighbours = json.at("neighbours", "config").as_list("neighbours");
  if (neighbours.size() != kLevels) throw DataError("its 'neighbours' are not five");
  for (size_t level = 0; level < kLevels; ++level)
    config.pyramid.neighbours[level] = neighbours[level].as_integer("neighbours", 1, kMaxSlots);
  return config;
}

Card read_card(const Json& document) {
  const Json& json = document.at("metadata", "description");
  if (json.kind != Json::Kind::object) throw DataError("its 'metadata' is no object");
  Card card;
  if (const Json* scale = given(json, "intensity_scale"))
    card.intensity_scale = between(*scale, "intensity_scale", 0, 1e300);
  if (const Json* kind = given(json, "intensity"))
    card.own_intensity = kind->kind == Json::Kind::text && kind->text == "own";
  if (const Json* temperature = given(json, "temperature"))
    if (temperature->kind == Json::Kind::number && temperature->number > 0)
      card.temperature = temperature->number;
  if (const Json* optional = given(json, "optional")) card.optional = names(*optional, "optional");
  if (const Json* codes = given(json, "codes"); codes && codes->kind == Json::Kind::list)
    for (const Json& code : codes->items)
      card.codes.push_back(code.as_integer("codes", INT32_MIN, INT32_MAX));
  return card;
}

}  // namespace salanet
