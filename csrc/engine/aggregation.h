// Local aggregations at inference: `salanet.operators` over the fused kernels.
//
// An operator is two steps. What a support point has to offer its neighbours is computed once for
// each and lies in rows; `run` then gathers the rows around some queries.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/dense.h"
#include "engine/json.h"

namespace salanet {

// Queries and their neighbours among supports; a missing one is N.
struct Around {
  const float* queries;        // (M, 3)
  const float* supports;       // (N, 3)
  const float* middle;         // (3,) of the supports
  const int32_t* neighbours;   // (M, K)
  int64_t M, N, K;

  Around part(int64_t begin, int64_t count) const {
    Around found = *this;
    found.queries += 3 * begin, found.neighbours += K * begin, found.M = count;
    return found;
  }
};

class Aggregation {
 public:
  virtual ~Aggregation() = default;

  // From features (inputs) and, if it wants positions, p - middle (3) behind them to a row; null
  // if the features are the row.
  virtual const Dense* offer() const { return nullptr; }
  virtual bool wants_positions() const { return false; }
  virtual int64_t row_channels() const = 0;
  virtual int64_t stride() const { return row_channels(); }  // floats from a row to the next

  // Rows (N, stride) around M queries -> panels of `channels`; scratch memory is the caller's.
  virtual void run(const Around& around, const float* rows, Panels out, Carver scratch) const = 0;
  virtual int64_t scratch_bytes(int64_t queries, int64_t neighbours) const = 0;
};

// The operator of a model's configuration, with `channels` in and out. DataError: it has none like
// this, or its tensors do not fit.
std::unique_ptr<Aggregation> make_aggregation(const std::string& name, const Json& options,
                                              const Weights& weights, int64_t channels,
                                              double radius);

// The maximum of the neighbours' rows, channel by channel; zero without neighbours.
class NeighbourMax {
 public:
  explicit NeighbourMax(int64_t channels);

  // rows (N, stride of rows) -> out (M, channels)
  void run(const Around& around, const float* rows, int64_t stride, float* out,
           Carver scratch) const;
  int64_t scratch_bytes(int64_t neighbours) const;

 private:
  int64_t channels_;
  FloatArray packed_;
};

// The options of an operator, each asked for by name.
class Options {
 public:
  explicit Options(const Json& json) : json_(json) {}

  int64_t integer(const char* name, int64_t usual, int64_t least, int64_t most) const;
  double number(const char* name, double usual) const;
  bool flag(const char* name, bool usual) const;
  // The place of the value among `known`, which a null ends; DataError for any other value.
  int choice(const char* name, const char* const* known) const;

 private:
  const Json& json_;
};

// By operator; see make_aggregation.
std::unique_ptr<Aggregation> make_sala(const Options&, const Weights&, int64_t channels, float radius);
std::unique_ptr<Aggregation> make_pointwise(const Weights&, int64_t channels, float radius);
std::unique_ptr<Aggregation> make_weighted(const std::string& name, const Options&, const Weights&,
                                           int64_t channels, float radius);

}  // namespace salanet
