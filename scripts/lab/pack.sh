#!/usr/bin/env bash
# Packs one folder that validates on a machine with an NVIDIA driver, bash, and nothing else.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/lab/pack.sh [options]

Builds the release program and makes a folder that can be copied anywhere: the program, matrix.yaml, the golden
corpus, recordings, run.sh, which runs the profile `lab` and packs up the evidence, and slurm_matrix.sbatch and
mpirun_matrix.sh, which do so on many machines.

  --into DIR         make the folder in DIR (default: .lab in the workspace)
  --name NAME        call it NAME (default: robocache-COMMIT, with -dirty if files are uncommitted)
  --data DIR         take the recordings that matrix.yaml names from DIR
  --file FILE        take this file of --data, and no others than those given so; may be repeated
  --without-kernels  pack also without nvcc; CUDA cells will say that there are no kernels
  -h, --help         print this
TEXT
}

fail() {
    echo "pack: $*" >&2
    exit 1
}

into=.lab name='' data='' kernels=required files=()
caller=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Paths that the caller gives are relative to where the caller is.
from_caller() {
    if [[ $1 == /* ]]; then echo "$1"; else echo "$caller/$1"; fi
}

while (($#)); do
    case $1 in
        --into | --name | --data | --file)
            (($# > 1)) && [[ -n $2 ]] || fail "$1 needs a value"
            case $1 in
                --into) into=$(from_caller "$2") ;;
                --name) name=$2 ;;
                --data) data=$(from_caller "$2") ;;
                --file) files+=("$2") ;;
            esac
            shift 2
            ;;
        --without-kernels) kernels=optional && shift ;;
        -h | --help) usage && exit ;;
        *) usage >&2 && fail "unknown option $1" ;;
    esac
done

commit=$(git rev-parse --short=12 HEAD 2>/dev/null) || commit=unknown
if [[ -n $(git status --porcelain 2>/dev/null) ]]; then commit+=-dirty; fi
name=${name:-robocache-$commit}
[[ $name != */* && $name != . && $name != .. ]] || fail "--name is $name, but must be the name of a folder"
[[ -z $data || -d $data ]] || fail "$data is not a folder"
[[ -n $data || ${#files[@]} == 0 ]] || fail "--file needs --data, the folder that has it"
[[ -f matrix.yaml ]] || fail "there is no matrix.yaml in $PWD"
for tool in cargo strip objdump sha256sum; do
    command -v "$tool" >/dev/null || fail "$tool is needed (strip and objdump are in binutils)"
done

cargo build --release --locked -p validation --bin validation
built=${CARGO_TARGET_DIR:-target}/release/validation

# A folder under its own name is whole.
finished=$into/$name
folder=$finished.partial
trap 'rm -rf "$folder"' EXIT
rm -rf "$folder"
mkdir -p "$folder"
strip -o "$folder/validation" "$built"

# The program is asked, not the build: every fatbin begins with the number 0xBA55ED50.
if ! LC_ALL=C grep -qaP '\x50\xED\x55\xBA' "$folder/validation"; then
    message="the program has no CUDA kernels, because the build found no nvcc; run scripts/setup_cuda.sh (no root needed)"
    if [[ $kernels == required ]]; then fail "$message, or pass --without-kernels"; fi
    echo "pack: warning: $message" >&2
fi

cp matrix.yaml "$folder/"
cp scripts/lab/{run.sh,slurm_matrix.sbatch,mpirun_matrix.sh} "$folder/"
for licence in LICENSE-*; do
    if [[ -f $licence ]]; then cp "$licence" "$folder/"; fi
done
if [[ -d goldens ]]; then cp -R goldens "$folder/"; fi
if [[ -n $data ]]; then
    if ((${#files[@]} == 0)); then
        for path in "$data"/*; do
            if [[ -f $path ]] && grep -qF -- "${path##*/}" matrix.yaml; then files+=("${path##*/}"); fi
        done
        ((${#files[@]})) || fail "matrix.yaml names no file of $data; choose files with --file"
    fi
    mkdir "$folder/data"
    for file in "${files[@]}"; do
        [[ $file != /* && /$file/ != */../* ]] || fail "--file is $file, but must be a path inside $data"
        mkdir -p "$folder/data/$(dirname "$file")"
        cp "$data/$file" "$folder/data/$file"
    done
fi

# The newest symbol version that the program imports is the oldest C library that can run it.
glibc=$(objdump -T "$folder/validation" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
cat >"$folder/README.txt" <<TEXT
RoboCache validation, commit $commit, packed $(date -u +%Y-%m-%dT%H:%MZ)

    ./run.sh                     run the profile "lab"; evidence goes to ./bench_artifacts and a .tar.gz beside it
    ./run.sh --profile quick     another profile; all arguments go to the program (./validation --help)
    ./run.sh machine             what this machine has, and why something cannot be used
    sbatch --array=1-8 slurm_matrix.sbatch
                                 eight shards of the profile under Slurm; its first lines say more
    ./mpirun_matrix.sh --help    shards on several hosts with Open MPI

Needs Linux on $(uname -m) with ${glibc/_/ } or newer, bash, and for CUDA cells an NVIDIA driver R580 or newer. NCCL and CUPTI
are found in LD_LIBRARY_PATH, the CUDA toolkit, or Python's site-packages; ROBOCACHE_NCCL and ROBOCACHE_CUPTI name
others. SHA256SUMS lists what was packed: sha256sum --check SHA256SUMS
TEXT
sums=$(cd "$folder" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
echo "$sums" >"$folder/SHA256SUMS"

rm -rf "$finished"
mv "$folder" "$finished"
echo "packed $finished ($(du -sh "$finished" | cut -f 1)), which needs ${glibc/_/ } or newer"
