// The instruction set is chosen once, when a module is loaded. SALANET_ISA=portable|avx2|avx512 in
// the environment overrides the choice (for tests); a set the processor lacks is never chosen.
#pragma once

#include <cstdlib>
#include <cstring>

namespace salanet {

enum class Isa { portable, avx2, avx512 };

inline Isa detect_isa() {
  Isa best = Isa::portable;
#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))
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
