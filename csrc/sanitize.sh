#!/usr/bin/env bash
# Runs tests on kernels built with sanitizers: sanitize.sh address|thread TESTS...
# "address" is undefined behaviour as well. PYTHON names an interpreter with all dependencies; the
# build stays in build/sanitize. Linux and GCC or Clang only.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=$1
shift
python=${PYTHON:-$PWD/.venv/bin/python}
place=$PWD/build/sanitize/$kind
case $kind in
  address) sanitizers=address,undefined library=libasan.so ;;
  thread) sanitizers=thread library=libtsan.so ;;
  *) echo "sanitize.sh: '$kind' is neither address nor thread" >&2; exit 2 ;;
esac

cmake -S . -B "$place/build" -DSALANET_SANITIZE=$sanitizers -DPython_EXECUTABLE="$python" \
  -DCMAKE_INSTALL_PREFIX="$place" > /dev/null
cmake --build "$place/build" --parallel > /dev/null
cmake --install "$place/build" > /dev/null
for entry in src/salanet/*; do  # this checkout's package with the modules just built
  case $entry in *.so | */__pycache__) ;; *) ln -sfn "$PWD/$entry" "$place/salanet/" ;; esac
done

# The runtime must be there before Python, and the C++ library before the runtime looks for it.
compiler=${CXX:-g++}
export LD_PRELOAD="$($compiler -print-file-name=$library) $($compiler -print-file-name=libstdc++.so)"
# Python frees little at its end; its small objects are given guards by going through malloc. What
# is far too much to allocate is a MemoryError, as elsewhere: Dask's plain sockets ask for it.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 PYTHONMALLOC=malloc
export UBSAN_OPTIONS=print_stacktrace=1
# Only our modules say how their threads wait; NumPy's and PyTorch's are not judged.
export TSAN_OPTIONS=ignore_noninstrumented_modules=1
export PYTHONPATH="$place" PYTHONDONTWRITEBYTECODE=1
# They map so much address space that a limit on it, or its shuffling, is refused; and threads of a
# forked child are beyond the thread sanitizer.
left_out=(--deselect tests/ops/test_bindings.py::test_too_little_memory_in_a_thread_is_an_error)
if [ "$kind" = thread ]; then
  left_out+=(--deselect tests/ops/test_radius_search.py::test_works_in_a_forked_child)
fi
exec setarch "$(uname -m)" -R "$python" -m pytest -q -p no:cacheprovider "${left_out[@]}" "$@"
