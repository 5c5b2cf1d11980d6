// What the kernels work on: plain pointers and sizes, the same for every instruction set.
#pragma once

#include <cstdint>

#include "common/isa.h"

// Kernel files of every instruction set use the functions below: inlined, they stay separate.
#if defined(__GNUC__)
#define SALANET_INLINE [[gnu::always_inline]] inline
#else
#define SALANET_INLINE inline
#endif

namespace salanet {

enum class Assignment : int32_t { soft, hard, none };

// The limits of the kernels; the Python side falls back to the reference beyond them.
constexpr int kMaxLifted = 64, kMaxHidden = 64, kMaxGroups = 64;
constexpr int kMaxSlots = 255;  // a neighbour's slot in a byte
constexpr int kChannelBits = 20;  // a channel and a pair of a tile in an int32
constexpr int64_t kMaxChannels = int64_t{1} << kChannelBits;

// Inputs of one aggregation; see salanet.ops.sala_aggregate for the formula.
struct Problem {
  const float* queries;       // (M, 3)
  const float* supports;      // (N, 3)
  const int32_t* neighbours;  // (M, K); anything outside [0, N) is missing
  const float* projected;     // (N, D), D = S * C; its rows are `stride` floats apart
  const float *lift_w, *lift_b, *hidden_w, *hidden_b, *score_w, *score_b;
  const float* position_w;  // (D, R) or null
  const float* bias;        // (D,) or null
  int64_t M, N, K, C, stride;
  int S, R, H;
  float inverse_radius;
  float floor;  // of the activation: 0 for relu, -infinity for none
  bool sum;     // the reduction: sum or max
  Assignment assignment;
  bool lifts;  // whether anything needs r

  SALANET_INLINE int64_t D() const { return S * C; }
  SALANET_INLINE bool scores() const { return assignment != Assignment::none && S > 1; }
};

// Where the gradients of the parameters lie in one partial sum (a block of floats).
struct GradientLayout {
  int64_t lift_w, lift_b, hidden_w, hidden_b, score_w, score_b, position_w, bias, size;

  SALANET_INLINE GradientLayout(int64_t R, int64_t H, int64_t S, int64_t D) {
    lift_w = 0;
    lift_b = lift_w + R * 3;
    hidden_w = lift_b + R;
    hidden_b = hidden_w + H * R;
    score_w = hidden_b + H;
    score_b = score_w + S * H;
    position_w = score_b + S;
    bias = position_w + D * R;
    size = bias + D;
  }
};

// Gradients that a chunk of supports writes: its own rows of `projected` and one partial sum.
struct Gradients {
  const float* out;      // (M, C), the gradient that comes in
  const uint8_t* slots;  // (M, D), who won each maximum; null for sums
  float* projected;      // (N, D)
};

}  // namespace salanet

// The kernels of one instruction set. Ranges are of queries (forward) or supports (the rest);
// scratch memory is the caller's.
#define SALANET_DECLARE_KERNELS(isa)                                                              \
  namespace salanet::isa {                                                                        \
  int vector_width();                                                                             \
  int64_t packed_bytes(const Problem&);                                                           \
  void pack(const Problem&, void* packed);                                                        \
  int64_t forward_scratch_bytes(const Problem&);                                                  \
  void forward(const Problem&, const void* packed, int64_t begin, int64_t end, float* out,        \
               uint8_t* slots, void* scratch);                                                    \
  int64_t backward_scratch_bytes(const Problem&);                                                 \
  void backward(const Problem&, const void* packed, const Gradients&, int64_t begin, int64_t end, \
                float* partial, void* scratch);                                                   \
  int64_t moments_scratch_bytes(const Problem&);                                                  \
  void moments(const Problem&, int64_t begin, int64_t end, float* sums, float* counts,            \
               float* gram, void* scratch);                                                       \
  void moments_backward(const Problem&, const float* sums, const float* gram, int64_t begin,      \
                        int64_t end, float* partial, void* scratch);                              \
  int64_t pair_moments_scratch_bytes(const Problem&);                                             \
  void pair_moments(const Problem&, int64_t begin, int64_t end, float* gram, void* scratch);      \
  void pair_moments_backward(const Problem&, const float* grad, int64_t begin, int64_t end,       \
                             float* partial, void* scratch);                                      \
  }

SALANET_DECLARE_KERNELS(portable)
#if defined(__x86_64__) || defined(_M_X64)
SALANET_DECLARE_KERNELS(avx2)
SALANET_DECLARE_KERNELS(avx512)
#endif
