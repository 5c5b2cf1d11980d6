// The instruction set is chosen once, when a module is loaded. SALANET_ISA=portable|avx2|avx512 in
// the environment overrides the choice (for tests); a set the processor lacks is never chosen.
#pragma once

#include <cstdlib>
#include <cstring>
#ifdef _MSC_VER
#include <immintrin.h>
#include <intrin.h>
#endif

namespace salanet {

enum class Isa { portable, avx2, avx512 };

inline Isa detect_isa() {
  Isa best = Isa::portable;
#if defined(_MSC_VER) && defined(_M_X64)  // where __builtin_cpu_supports needs a library of its own
  int one[4], seven[4];
  __cpuid(one, 1);
  __cpuidex(seven, 7, 0);
  const bool fma = one[2] >> 12 & 1, saved = one[2] >> 27 & 1;  // saved: by the system, on a switch
  const unsigned registers = saved ? static_cast<unsigned>(_xgetbv(0)) : 0;
  if ((registers & 0x06) == 0x06 && fma && (seven[1] >> 5 & 1)) best = Isa::avx2;
  const unsigned all = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
  if (best == Isa::avx2 && (registers & 0xe6) == 0xe6 &&
      (static_cast<unsigned>(seven[1]) & all) == all)
    best = Isa::avx512;
#elif defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = Isa::avx2;
  if (best == Isa::avx2 && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    best = Isa::avx512;
#endif
  const char* wanted = std::getenv("SALANET_ISA");
  if (wanted == nullptr) return best;
  if (std::strcmp(wanted, "portable") == 0) return Isa::portable;
  if (std::strcmp(wanted, "avx2") == 0 && best != Isa::portable) return Isa::avx2;
  return best;
}

inline const char* isa_name(Isa isa) {
  return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "portable";
}

}  // namespace salanet

// SALANET_DISPATCH(isa, f(args)) calls salanet::<isa>::f(args).
#if defined(__x86_64__) || defined(_M_X64)
#define SALANET_DISPATCH(isa, call)                                  \
  ((isa) == ::salanet::Isa::avx512 ? ::salanet::avx512::call         \
   : (isa) == ::salanet::Isa::avx2 ? ::salanet::avx2::call           \
                                   : ::salanet::portable::call)
#else
#define SALANET_DISPATCH(isa, call) (::salanet::portable::call)
#endif
