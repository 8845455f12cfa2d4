#!/usr/bin/env bash
# Installs nvcc from PyPI into <workspace>/.cuda, without root. Running it again changes nothing.
# `cargo build` finds the compiler there; delete the folder to undo.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder="$PWD/.cuda"
nvcc="$folder/nvidia/cu13/bin/nvcc"

# The image's bytes depend on the compiler, so its version is pinned to the last digit.
packages=(
    nvidia-cuda-nvcc==13.0.88
    nvidia-cuda-runtime==13.0.96
    nvidia-cuda-crt==13.0.88
    nvidia-nvvm==13.0.88
    nvidia-cuda-cccl==13.0.85
)
stamp="$folder/packages.txt"

if [[ -x $nvcc && -f $stamp && "$(cat "$stamp")" == "${packages[*]}" ]]; then
    echo "nvcc is already installed: $nvcc"
    exit 0
fi

if ! command -v python3 >/dev/null; then
    echo "setup_cuda: python3 is needed to fetch nvcc from PyPI; install it, or install CUDA 13 and set CUDA_HOME" >&2
    exit 1
fi
if ! command -v c++ >/dev/null && ! command -v g++ >/dev/null; then
    echo "setup_cuda: nvcc needs a C++ compiler (g++) on PATH; install one" >&2
    exit 1
fi

# A system Python may lack pip; a virtual environment brings its own.
rm -rf "$folder"
mkdir -p "$folder"
pip=(python3 -m pip)
if ! "${pip[@]}" --version >/dev/null 2>&1; then
    python3 -m venv "$folder/pip"
    pip=("$folder/pip/bin/python" -m pip)
fi
echo "installing ${packages[*]} into $folder"
"${pip[@]}" install --quiet --root-user-action=ignore --disable-pip-version-check --no-deps --target "$folder" "${packages[@]}"

"$nvcc" --version | sed -n 's/.*release/nvcc release/p'
echo "${packages[*]}" >"$stamp"
# Has cargo look for nvcc again.
touch kernels/build.rs
echo "installed: $nvcc"
