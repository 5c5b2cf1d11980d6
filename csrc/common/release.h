// Memory that is free, and that the allocator would keep.
#pragma once

#if defined(__linux__)
#include <malloc.h>
#endif

namespace salanet {

// Gives it back to the system, where the allocator keeps it (glibc): before much is asked for.
inline void release_free_memory() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

}  // namespace salanet
