#!/usr/bin/env bash
# Builds the kernel image twice, from copies of the sources in two folders, and compares the bytes.
# The image's hash identifies the kernels in evidence, so it must depend on nothing but sources and compiler.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
workspace="$PWD"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

# Copies the workspace to $scratch/$1 and builds there; the image becomes $scratch/$2.
build() {
    local copy="$scratch/$1"
    mkdir -p "$copy"
    git ls-files --cached --others --exclude-standard -z | tar --null --files-from=- -cf - | tar -xf - -C "$copy"
    if [[ -d $workspace/.cuda ]]; then
        ln -s "$workspace/.cuda" "$copy/.cuda"
    fi
    CARGO_TARGET_DIR="$copy/target" cargo build --quiet --locked --manifest-path "$copy/kernels/Cargo.toml"
    local image
    image="$(find "$copy/target" -name robocache.fatbin)"
    if [[ -z $image ]]; then
        echo "no image was built, because nvcc was not found: run scripts/setup_cuda.sh" >&2
        exit 1
    fi
    mv "$image" "$scratch/$2"
}

build one first.fatbin
build another/and/longer/path second.fatbin
cmp "$scratch/first.fatbin" "$scratch/second.fatbin"
echo "reproducible: $(wc -c <"$scratch/first.fatbin") bytes, sha256 $(sha256sum <"$scratch/first.fatbin" | cut -d' ' -f1)"
