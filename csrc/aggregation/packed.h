// The D = S * C columns of `projected` cut into blocks of one vector, with the weights of each.
//
// Columns stay packed side by side: a block may span groups, and each lane then picks its group's
// weight. Where W does not divide D the last block overlaps the one before, which neither needs
// masks nor disturbs a maximum; `fresh` tells the lanes that no earlier block holds.
#pragma once

#include "aggregation/problem.h"
#include "aggregation/simd.h"

namespace salanet::SALANET_ISA {

struct Packed {
  int64_t blocks;
  int rows;         // R, or 0 without position_w
  int32_t* column;  // of each block's first lane
  int32_t* group;   // of each block's first lane
  IVec* index;      // the group of each lane, counted from `group`
  IVec* fresh;      // -1 or 0
  Vec* bias;
  Vec* weight;  // (blocks, rows)

  Packed(const Problem& problem, void* memory) : Packed(problem, Scratch(memory)) {}

  Packed(const Problem& problem, Scratch scratch) {
    const void* start = scratch.take<char>(0);
    blocks = (problem.D() + W - 1) / W;
    rows = problem.position_w ? problem.R : 0;
    column = scratch.take<int32_t>(blocks);
    group = scratch.take<int32_t>(blocks);
    index = scratch.take<IVec>(blocks);
    fresh = scratch.take<IVec>(blocks);
    bias = scratch.take<Vec>(blocks);
    weight = scratch.take<Vec>(blocks * rows);
    bytes = scratch.used(start);
  }

  int64_t bytes;
};

}  // namespace salanet::SALANET_ISA
