#include "engine/aggregation.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "aggregation/problem.h"
#include "common/data_error.h"

namespace salanet {
namespace {

Problem max_problem(int64_t channels) {
  Problem p{};
  p.S = 1, p.C = channels;
  p.floor = -std::numeric_limits<float>::infinity();
  p.assignment = Assignment::none;
  return p;
}

}  // namespace

NeighbourMax::NeighbourMax(int64_t channels)
    : channels_(channels),
      packed_(SALANET_DISPATCH(kIsa, packed_bytes(max_problem(channels))) / 4 + 1) {
  SALANET_DISPATCH(kIsa, pack(max_problem(channels), packed_.data()));
}

void NeighbourMax::run(const Around& around, const float* rows, int64_t stride, float* out,
                       Carver scratch) const {
  Problem p = max_problem(channels_);
  p.neighbours = around.neighbours, p.projected = rows, p.stride = stride;
  p.M = around.M, p.N = around.N, p.K = around.K;
  char* memory = scratch.take<char>(scratch_bytes(around.K));
  SALANET_DISPATCH(kIsa, forward(p, packed_.data(), 0, p.M, out, nullptr, memory));
}

int64_t NeighbourMax::scratch_bytes(int64_t neighbours) const {
  Problem p = max_problem(channels_);
  p.K = neighbours;
  return SALANET_DISPATCH(kIsa, forward_scratch_bytes(p));
}

int64_t Options::integer(const char* name, int64_t usual, int64_t least, int64_t most) const {
  const Json* value = json_.find(name);
  return value == nullptr ? usual : value->as_integer(name, least, most);
}

double Options::number(const char* name, double usual) const {
  const Json* value = json_.find(name);
  const double found = value == nullptr ? usual : value->as_number(name);
  if (!std::isfinite(static_cast<float>(found)))
    throw DataError("its '" + std::string(name) + "' is no finite number");
  return found;
}

bool Options::flag(const char* name, bool usual) const {
  const Json* value = json_.find(name);
  if (value == nullptr) return usual;
  if (value->kind != Json::Kind::boolean)
    throw DataError("its '" + std::string(name) + "' is neither true nor false");
  return value->boolean;
}

int Options::choice(const char* name, const char* const* known) const {
  const Json* value = json_.find(name);
  if (value == nullptr) return 0;
  const std::string& text = value->as_text(name);
  for (int k = 0; known[k] != nullptr; ++k)
    if (text == known[k]) return k;
  throw DataError("the native executor knows no " + std::string(name) + " '" + text + "'");
}

std::unique_ptr<Aggregation> make_aggregation(const std::string& name, const Json& options,
                                              const Weights& weights, int64_t channels,
                                              double radius) {
  const Options given(options);
  const auto reach = static_cast<float>(radius);
  if (name == "sala") return make_sala(given, weights, channels, reach);
  if (name == "pointwise_mlp") return make_pointwise(weights, channels, reach);
  return make_weighted(name, given, weights, channels, reach);
}

}  // namespace salanet
