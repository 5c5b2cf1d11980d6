// The passes of a network over its pyramid.
//
// A pass goes over the points of a level in chunks that stay in the second-level cache: it gathers
// what the level's points have been offered, runs every dense layer up to the next gathering, and
// offers again. So features are written to memory only where other points need them. Each point's
// result depends on its own row and those it gathers alone, whatever the chunks and threads.
//
// Passes: 0 input; 1 the first aggregation; 2 the first residual block; 4 + 3s the strided block from
// level s, 5 + 3s what it offers to the residual block after it, 6 + 3s that block; 19 - s the decoder
// at level s. What is offered is made in the pass before, while its features are in the cache, but at
// the finest levels, and where a level is large, alone: the largest arrays of a network should not
// meet. Of a large level it is never whole in memory: it is made for half of the queries, gathered, and
// made for the other half in the same place.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "engine/passes.h"

namespace salanet {
namespace {

constexpr int kDeepest = kLevels - 1;

constexpr int strided_pass(int level) { return 4 + 3 * level; }  // from that level
constexpr int residual_pass(int level) { return level == 0 ? 2 : 3 + 3 * level; }
constexpr int decoder_pass(int level) { return 19 - level; }

// Where the rows of an array lie.
struct RowArray {
  float* data;
  int64_t stride;
};

class Run : public Passes {
 public:
  Run(const Network& network, const Pyramid& pyramid, int threads, Precision precision)
      : Passes(*network.spare, threads, precision), net_(network), pyramid_(pyramid) {
    const PyramidLevel& finest = level(0);
    around_ = parts_of(finest.neighbours.data(), finest.count, finest.k, finest.count,
                       panel_width(), threads_);
    for (int s = 0; s < kDeepest; ++s)
      pooled_[static_cast<size_t>(s)] =
          parts_of(level(s).pool.data(), level(s + 1).count, level(s).k, level(s).count,
                   panel_width(), threads_);
    plan();
  }

  // Tables of `consumed`, the pyramid or null, are freed after the last pass that reads them.
  void all(const float* features, float* logits, Pyramid* consumed) {
    for (const Part& part : around_) {
      enter(features, part);
      first(part);
    }
    for (const Part& part : around_) {
      if (split()) offer_first_residual(part);
      residual(0, part);
    }
    if (consumed != nullptr) consumed->levels[0].neighbours.drop();
    for (int s = 0; s < kDeepest; ++s) {
      for (const Part& part : pooled(s)) {
        if (alone(s)) offer_strided(s, part);
        strided(s, part);
      }
      if (consumed != nullptr) consumed->levels[s].pool.drop();
      if (s == 0) offer_second_residual();
      residual(s + 1, whole(s + 1, s + 1));
      if (consumed != nullptr) consumed->levels[s + 1].neighbours.drop();
    }
    for (int s = kDeepest - 1; s >= 0; --s) decode(s, logits);
  }

 private:
  bool split() const { return around_.size() > 1; }
  const std::vector<Part>& pooled(int s) const { return pooled_[static_cast<size_t>(s)]; }
  // Whether what level s offers to its strided block is made in a pass of its own.
  bool alone(int s) const { return s == 0 || pooled(s).size() > 1; }

  // All points of a level as queries, and all of the level whose rows they gather.
  Part whole(int queries, int rows) const {
    return {{0, level(queries).count}, {0, level(rows).count}};
  }
  Range rows_of(int s) const { return {0, level(s).count}; }

  const PyramidLevel& level(int s) const { return pyramid_.levels[static_cast<size_t>(s)]; }

  // ---- What lies where ------------------------------------------------------------------------

  int rows_array(int s, int64_t stride, int from, int to) {
    return arena_.add(level(s).count * stride, from, to);
  }
  // Of the rows that a part needs, whichever needs most.
  int offers_array(const std::vector<Part>& parts, int64_t stride, int from, int to) {
    int64_t most = 0;
    for (const Part& part : parts) most = std::max(most, part.rows.count());
    return arena_.add(most * stride, from, to);
  }
  int panels_array(int s, int64_t channels, int from, int to) {
    return arena_.add(panels_of(level(s).count) * panel_floats(channels), from, to);
  }

  void plan() {
    offers_[0] = offers_array(around_, net_.first->stride(), 0, 1);
    offers_[1] =
        offers_array(around_, net_.residual[0].aggregation->stride(), split() ? 2 : 1, 2);
    entered_ = panels_array(0, net_.width / 2, 1, 2);
    for (int s = 0; s < kDeepest; ++s) {
      const int now = strided_pass(s), after = residual_pass(s + 1);
      const int64_t stride = net_.strided[s].aggregation->stride();
      offers_[2 + 2 * s] = offers_array(pooled(s), stride, alone(s) ? now : now - 1, now);
      offers_[3 + 2 * s] = rows_array(s + 1, net_.residual[s + 1].aggregation->stride(),
                                      s == 0 ? now + 1 : now, after);
      reached_[s + 1] = panels_array(s + 1, net_.channels(s + 1), now, after);
      kept_[s] = rows_array(s, row_stride(net_.channels(s)), residual_pass(s), decoder_pass(s));
      coarse_[s + 1] = rows_array(s + 1, net_.decoded(s), s + 1 == kDeepest ? after : decoder_pass(s + 1),
                                  decoder_pass(s));
    }
    arena_.plan();
    measuring_ = true;
    all(nullptr, nullptr, nullptr);
    measuring_ = false;
  }

  RowArray kept(int s) const { return {at(kept_[s]), row_stride(net_.channels(s))}; }

  // ---- What passes are made of ----------------------------------------------------------------

  // From an array of offers whose first row is `first`.
  void gather(const Aggregation& aggregation, int array, int64_t first, const Around& around,
              Panels out, const Chunk& chunk, Carver& scratch) {
    const int64_t bytes = aggregation.scratch_bytes(chunk.count, around.K);
    char* memory = scratch.take<char>(bytes);
    if (measuring_) return;
    const Clock clock = aggregating();
    const float* rows = at(array) - first * aggregation.stride();
    aggregation.run(around.part(chunk.begin, chunk.count), rows, out, Carver(memory));
  }

  // Offers features, in panels with room for three channels more, to an aggregation: in an array
  // whose first row is `first`.
  void offer(const Aggregation& to, int array, int64_t first, const PyramidLevel& level, Panels x,
             int64_t channels, const Chunk& chunk, Carver& scratch) {
    const int64_t wide = to.row_channels();
    Panels rows = x;
    if (to.offer() != nullptr) rows = take_panels(scratch, wide, chunk.count);
    if (to.wants_positions() && !measuring_) {
      const float away[3] = {-level.middle[0], -level.middle[1], -level.middle[2]};
      const Affine centred{nullptr, away, false};
      load_rows({level.points + 3 * chunk.begin, 3}, chunk.count, 3, from_channel(x, channels),
                &centred);
    }
    if (to.offer() != nullptr)  // positions suffer from rounding
      multiply(*to.offer(), x, rows, to.wants_positions() ? chunk.in_float32() : chunk);
    if (measuring_) return;
    store_rows(rows, chunk.count, wide, at(array) + (chunk.begin - first) * to.stride(),
               to.stride());
  }

  void reduce_and_offer(const Residual& to, int array, int64_t first, const PyramidLevel& level,
                        Panels x, const Chunk& chunk, Carver& scratch) {
    const int64_t inner = to.reduce.outputs();
    const Panels reduced = take_panels(scratch, inner + 3, chunk.count);
    multiply(to.reduce, x, reduced, chunk);
    offer(*to.aggregation, array, first, level, reduced, inner, chunk, scratch);
  }

  static Around around(const PyramidLevel& level) {
    return {level.points, level.points, level.middle, level.neighbours.data(),
            level.count,  level.count,  level.k};
  }
  static Around around(const PyramidLevel& fine, const PyramidLevel& coarse) {
    return {coarse.points, fine.points, fine.middle, fine.pool.data(),
            coarse.count,  fine.count,  fine.k};
  }

  // ---- The passes -----------------------------------------------------------------------------

  void enter(const float* features, const Part& part) {
    const int64_t d = net_.in_channels, half = net_.width / 2;
    pass(part.rows, d + 4 * half, [&](const Chunk& chunk, Carver& scratch) {
      const Panels seen = take_panels(scratch, d, chunk.count);
      const Panels x = take_panels(scratch, half + 3, chunk.count);
      if (!measuring_) load_rows({features + chunk.begin * d, d}, chunk.count, d, seen);
      multiply(net_.input, seen, x, chunk.in_float32());
      offer(*net_.first, offers_[0], part.rows.begin, level(0), x, half, chunk, scratch);
    });
  }

  void first(const Part& part) {
    const int64_t half = net_.width / 2;
    pass(part.queries, 6 * half, [&](const Chunk& chunk, Carver& scratch) {
      const Panels x = panels_at(entered_, half, chunk);
      gather(*net_.first, offers_[0], part.rows.begin, around(level(0)), x, chunk, scratch);
      if (!split())
        reduce_and_offer(net_.residual[0], offers_[1], 0, level(0), x, chunk, scratch);
    });
  }

  void offer_first_residual(const Part& part) {
    const int64_t half = net_.width / 2;
    pass(part.rows, 5 * half, [&](const Chunk& chunk, Carver& scratch) {
      reduce_and_offer(net_.residual[0], offers_[1], part.rows.begin, level(0),
                       panels_at(entered_, half, chunk), chunk, scratch);
    });
  }

  void residual(int s, const Part& part) {
    const Residual& block = net_.residual[s];
    const int64_t inner = block.reduce.outputs(), wide = net_.channels(s);
    const int64_t beside = s == 0 ? net_.width / 2 : 0;  // the shortcut's input
    pass(part.queries, inner + beside + 4 * wide, [&](const Chunk& chunk, Carver& scratch) {
      const Panels in = take_panels(scratch, inner + beside, chunk.count);
      const Panels x = take_panels(scratch, wide, chunk.count);
      gather(*block.aggregation, offers_[s == 0 ? 1 : 1 + 2 * s], part.rows.begin,
             around(level(s)), in, chunk, scratch);
      if (s == 0) {
        copy(panels_at(entered_, beside, chunk), from_channel(in, inner), beside, chunk);
        multiply(block.expand, in, x, chunk);
      } else {
        const Panels shortcut = panels_at(reached_[s], wide, chunk);
        multiply(block.expand, in, x, chunk, &shortcut);
      }
      if (s < kDeepest) keep(s, x, chunk);
      if (s == kDeepest)
        spread(s, x, chunk, scratch);
      else if (!alone(s))
        reduce_and_offer(net_.strided[s], offers_[2 + 2 * s], 0, level(s), x, chunk, scratch);
    });
  }

  void offer_strided(int s, const Part& part) {
    const int64_t wide = net_.channels(s);
    pass(part.rows, 4 * wide, [&](const Chunk& chunk, Carver& scratch) {
      const Panels x = take_panels(scratch, wide, chunk.count);
      load_kept(s, x, chunk);
      reduce_and_offer(net_.strided[s], offers_[2 + 2 * s], part.rows.begin, level(s), x, chunk,
                       scratch);
    });
  }

  void strided(int s, const Part& part) {
    const Residual& block = net_.strided[s];
    const int64_t inner = block.reduce.outputs(), fine = net_.channels(s);
    const Around near = around(level(s), level(s + 1));
    const int64_t wide = net_.channels(s + 1);
    pass(part.queries, inner + 2 * fine + 3 * wide, [&](const Chunk& chunk, Carver& scratch) {
      const Panels in = take_panels(scratch, inner + fine, chunk.count);
      gather(*block.aggregation, offers_[2 + 2 * s], part.rows.begin, near, in, chunk, scratch);
      float* maxima = scratch.take<float>(chunk.count * fine);
      char* memory = scratch.take<char>(block.maximum->scratch_bytes(near.K));
      if (!measuring_) {
        const Clock clock = aggregating();
        const RowArray rows = kept(s);
        block.maximum->run(near.part(chunk.begin, chunk.count), rows.data, rows.stride, maxima,
                           Carver(memory));
        load_rows({maxima, fine}, chunk.count, fine, from_channel(in, inner));
      }
      const Panels x = panels_at(reached_[s + 1], wide, chunk);
      multiply(block.expand, in, x, chunk);
      if (s > 0)
        reduce_and_offer(net_.residual[s + 1], offers_[3 + 2 * s], 0, level(s + 1), x, chunk,
                         scratch);
    });
  }

  void offer_second_residual() {
    const int64_t wide = net_.channels(1);
    pass(rows_of(1), 3 * wide, [&](const Chunk& chunk, Carver& scratch) {
      reduce_and_offer(net_.residual[1], offers_[3], 0, level(1),
                       panels_at(reached_[1], wide, chunk), chunk, scratch);
    });
  }

  void decode(int s, float* logits) {
    const int64_t wide = net_.channels(s), out = net_.decoded(s);
    pass(rows_of(s), wide + 4 * out, [&](const Chunk& chunk, Carver& scratch) {
      const Panels own = take_panels(scratch, wide, chunk.count);
      const Panels x = take_panels(scratch, out, chunk.count);
      load_kept(s, own, chunk);
      if (!measuring_)
        load_rows({at(coarse_[s + 1]), out, level(s).upsample.data() + chunk.begin}, chunk.count,
                  out, x);
      multiply(net_.up_own[s], own, x, chunk, &x);
      if (s > 0)
        spread(s, x, chunk, scratch);
      else
        classify(x, logits, chunk, scratch);
    });
  }

  // The decoder's coarse product: made here, taken by every finer point nearest to this one.
  void spread(int s, Panels x, const Chunk& chunk, Carver& scratch) {
    const int64_t wide = net_.decoded(s - 1);
    const Panels out = take_panels(scratch, wide, chunk.count);
    multiply(net_.up_coarse[s - 1], x, out, chunk);
    if (!measuring_)
      store_rows(out, chunk.count, wide, at(coarse_[s]) + chunk.begin * wide, wide);
  }

  void classify(Panels x, float* logits, const Chunk& chunk, Carver& scratch) {
    const Panels hidden = take_panels(scratch, net_.width / 2, chunk.count);
    const Panels out = take_panels(scratch, net_.classes, chunk.count);
    multiply(net_.head, x, hidden, chunk);
    multiply(net_.classifier, hidden, out, chunk.in_float32());
    if (!measuring_)
      store_rows(out, chunk.count, net_.classes, logits + chunk.begin * net_.classes,
                 net_.classes);
  }

  void keep(int s, Panels x, const Chunk& chunk) const {
    if (measuring_) return;
    const RowArray rows = kept(s);
    store_rows(x, chunk.count, net_.channels(s), rows.data + chunk.begin * rows.stride,
               rows.stride);
  }

  void load_kept(int s, Panels out, const Chunk& chunk) const {
    if (measuring_) return;
    const RowArray rows = kept(s);
    load_rows({rows.data + chunk.begin * rows.stride, rows.stride}, chunk.count, net_.channels(s),
              out);
  }

  void copy(Panels from, Panels to, int64_t channels, const Chunk& chunk) const {
    if (measuring_) return;
    for (int64_t panel = 0; panel < chunk.panels(); ++panel)
      std::memcpy(to.data + panel * to.stride, from.data + panel * from.stride,
                  static_cast<size_t>(panel_floats(channels)) * sizeof(float));
  }

  const Network& net_;
  const Pyramid& pyramid_;
  // Parts of the finest level's points, and of the points that pool each level.
  std::vector<Part> around_;
  std::array<std::vector<Part>, kDeepest> pooled_;
  // Arrays of the arena: what aggregations are offered, in their order; panels after the first
  // aggregation and after the strided block that reaches a level; rows of a level kept for the
  // decoder; the decoder's coarse products of a level.
  std::array<int, kAggregations> offers_{};
  int entered_ = 0;
  std::array<int, kLevels> reached_{}, kept_{}, coarse_{};
};

}  // namespace

void run(const Network& network, const float* features, Pyramid& pyramid, float* logits,
         const RunOptions& options, Shares* shares) {
  Run run(network, pyramid, options.threads, options.precision);
  run.start(shares != nullptr);
  run.all(features, logits, options.consume ? &pyramid : nullptr);
  if (shares != nullptr) run.report(*shares);
}

int64_t run_bytes(const Network& network, const Pyramid& pyramid, const RunOptions& options) {
  return 4 * Run(network, pyramid, options.threads, options.precision).floats();
}

}  // namespace salanet
