// How a pass over the rows of a level runs: in chunks that stay in the second-level cache, by threads
// that each have scratch memory. A pass that is measured carves its scratch and does nothing else, so
// that all memory is known before the first is run.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "common/parallel.h"
#include "engine/aggregation.h"
#include "engine/arena.h"
#include "engine/dense.h"
#include "engine/network.h"
#include "engine/work.h"

namespace salanet {

struct Chunk {
  int64_t begin, count;
  float* room;  // of products in bfloat16 for their inputs; null: they are in float32
  int64_t panels() const { return panels_of(count); }
  Chunk in_float32() const { return {begin, count, nullptr}; }
};

class Passes {
 public:
  Passes(Spare& spare, int threads, Precision precision)
      : threads_(std::max(threads, 1)),
        spare_(spare),
        bf16_(precision == Precision::bf16 && tiles::available()),
        slots_(threads_) {}
  ~Passes() {
    if (memory_.data() != nullptr) spare_.give(std::move(memory_));
  }
  Passes(const Passes&) = delete;
  Passes& operator=(const Passes&) = delete;

  // Known once all passes are measured.
  int64_t floats() const { return arena_.size() + threads_ * (scratch_floats_ + room_floats_); }

  void start(bool profiled) {
    memory_ = spare_.take(floats());
    profiled_ = profiled;
  }

  void report(Shares& shares) const {
    shares.products = 1e-9 * static_cast<double>(products_);
    shares.aggregations = 1e-9 * static_cast<double>(aggregations_);
    shares.rest = 1e-9 * static_cast<double>(whole_) - shares.products - shares.aggregations;
  }

 protected:
  // body(chunk, scratch) for some rows. While measuring, bodies only carve: for one chunk.
  template <typename Body>
  void pass(Range rows, int64_t channels, Body&& body) {
    const int64_t grain = chunk_rows(rows.count(), channels);
    if (measuring_) {
      Carver carver = Carver::measuring();
      body(Chunk{rows.begin, std::min(grain, rows.count()), nullptr}, carver);
      scratch_floats_ = std::max(scratch_floats_, carver.used() / 4);
      return;
    }
    parallel_for(rows.count(), grain, threads_, [&](int64_t begin, int64_t end, int64_t) {
      const Clock clock(profiled_ ? &whole_ : nullptr);
      const Slots::Lease slot(slots_);
      float* room = memory_.data() + arena_.size() + slot.number() * (scratch_floats_ + room_floats_);
      Carver carver(room + room_floats_);
      body(Chunk{rows.begin + begin, end - begin, bf16_ ? room : nullptr}, carver);
    });
  }

  void multiply(const Dense& dense, Panels in, Panels out, const Chunk& chunk,
                const Panels* addend = nullptr) {
    if (measuring_) {
      if (bf16_) room_floats_ = std::max(room_floats_, tiles::input_floats(dense.inputs()));
      return;
    }
    const Clock clock(profiled_ ? &products_ : nullptr);
    dense.run(in, out, chunk.panels(), addend, chunk.room);
  }

  // The time of its life counts as that of aggregations.
  Clock aggregating() { return Clock(profiled_ ? &aggregations_ : nullptr); }

  float* at(int array) const {
    return measuring_ ? nullptr : memory_.data() + arena_.offset(array);
  }
  Panels panels_at(int array, int64_t channels, const Chunk& chunk) const {
    const int64_t stride = panel_floats(channels);
    return {at(array) + chunk.begin / panel_width() * stride, stride};
  }

  const int threads_;
  Arena arena_;
  bool measuring_ = false;

 private:
  static constexpr int64_t kCached = 48 << 10;  // floats of a chunk in panels
  static constexpr int64_t kMostRows = 512;
  static constexpr int64_t kFewestChunks = 16;

  // Rows of a chunk: whole panels, a function of the sizes alone.
  static int64_t chunk_rows(int64_t rows, int64_t channels) {
    const int64_t few = std::clamp(kCached / channels, kPanelRows, kMostRows);
    const int64_t fair = std::max(rows / kFewestChunks, kPanelRows);
    return std::min(few, fair) / kPanelRows * kPanelRows;
  }

  Spare& spare_;
  const bool bf16_;
  Slots slots_;
  FloatArray memory_;
  int64_t scratch_floats_ = 0, room_floats_ = 0;  // of a thread
  bool profiled_ = false;
  std::atomic<int64_t> products_{0}, aggregations_{0}, whole_{0};
};

}  // namespace salanet
