#!/bin/sh
# Compiles this folder to libc_subject.so, here or in the folder that is named. RC_INCLUDE is the header's folder, where
# this one is a copy that lies elsewhere.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# Contraction would round a multiplication and an addition once instead of twice.
${CC:-cc} -std=c99 -O2 -Wall -Wextra -Werror -ffp-contract=off -fPIC -shared -fvisibility=hidden \
  -I "${RC_INCLUDE:-$here/../../core/include}" "$here"/*.c -lm -o "${1:-$here}/libc_subject.so"
