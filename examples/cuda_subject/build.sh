#!/bin/sh
# Compiles this folder to libcuda_subject.so, here or in the folder that is named, with nvcc from NVCC, from
# scripts/setup_cuda.sh or from the path. RC_INCLUDE is the header's folder, where this one is a copy that lies elsewhere.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
fetched="$here/../../.cuda/nvidia/cu13/bin/nvcc"
[ -x "$fetched" ] || fetched=nvcc
nvcc=${NVCC:-$fetched}
lib=$(dirname "$(command -v "$nvcc")")/../lib
# Contraction would round a multiplication and an addition once instead of twice.
"$nvcc" -std=c++17 -O3 -fmad=false -shared -Xcompiler -fPIC,-fvisibility=hidden,-Wall -cudart static -L "$lib" \
  -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90 -gencode arch=compute_90,code=compute_90 \
  -I "${RC_INCLUDE:-$here/../../core/include}" "$here"/*.cu -o "${1:-$here}/libcuda_subject.so"
