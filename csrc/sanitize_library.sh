#!/usr/bin/env bash
# The C library under a sanitizer: sanitize_library.sh address|thread
# Two segmenters at work in two threads, and one that two threads share. The build stays in
# build/sanitize. Linux and GCC or Clang only.
set -euo pipefail
cd "$(dirname "$0")/.."
case $1 in
  address) sanitizers=address,undefined ;;
  thread) sanitizers=thread ;;
  *) echo "sanitize_library.sh: '$1' is neither address nor thread" >&2; exit 2 ;;
esac
place=$PWD/build/sanitize/library-$1
cmake -S . -B "$place" -DSALANET_PYTHON=OFF -DSALANET_LIBRARY=ON \
  -DSALANET_SANITIZE=$sanitizers > /dev/null
cmake --build "$place" --target two_threads --parallel > /dev/null
export UBSAN_OPTIONS=print_stacktrace=1
exec setarch "$(uname -m)" -R "$place/two_threads" src/salanet/weights/rooms.safetensors
