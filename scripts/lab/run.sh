#!/usr/bin/env bash
# Runs the packed validation and packs up its evidence. It needs bash, coreutils, and the folder that it lies in.
#
#   ./run.sh [arguments of ./validation]
#   ./run.sh bench [arguments of ./validation bench]
#
# Unless the arguments say otherwise: the profile `lab`, the matrix and recordings of this folder, and evidence in
# ./bench_artifacts. The exit status is that of the program.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
validation=$here/validation

# Tasks that write no evidence.
case ${1-} in
    machine | schema | -h | --help | -V | --version) exec "$validation" "$@" ;;
esac

if command -v sha256sum >/dev/null && ! (cd "$here" && sha256sum --check --quiet --strict SHA256SUMS); then
    echo "run: warning: this folder is not what was packed" >&2
fi

# NCCL's NVLS reductions differ from call to call; a determinism suite needs one order.
export NCCL_NVLS_ENABLE=${NCCL_NVLS_ENABLE:-0}

# The program knows where NCCL and CUPTI lie. Some code loads them by a name that no file in their folders has, so a
# folder of links comes first on the linker's path, and then their own folders for what they load themselves.
links=$(mktemp -d)
trap 'rm -rf "$links"' EXIT
linker_path=$links
machine=$("$validation" machine) || machine=''
for library in nccl cupti; do
    found="\"$library\":[[:space:]]*\{[[:space:]]*\"Ok\":[[:space:]]*\"([^\"]+)\""
    if [[ $machine =~ $found ]]; then
        path=${BASH_REMATCH[1]}
        ln -s "$path" "$links/lib$library.so"
        linker_path+=:${path%/*}
    else
        echo "run: ${library^^} is not usable here; \"./run.sh machine\" says why" >&2
    fi
done
export LD_LIBRARY_PATH=$linker_path${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

# Benchmarks have profiles of their own, and a default among them.
profile='' matrix='' output='' launched='' command=()
if [[ ${1-} == bench ]]; then
    command=(bench)
    profile=given
    shift
fi

# Arguments that are not given get their defaults.
previous=''
for argument in "$@"; do
    case $argument in
        --profile | --profile=*) profile=given ;;
        --matrix | --matrix=*) matrix=given ;;
        --output=*) output=${argument#--output=} ;;
        --launched | --launched=*) launched=given ;;
    esac
    if [[ $previous == --output ]]; then output=$argument; fi
    previous=$argument
done
defaults=()
if [[ -z $profile ]]; then defaults+=(--profile lab); fi
if [[ -z $matrix ]]; then defaults+=(--matrix "$here/matrix.yaml"); fi
if [[ -z $output ]]; then
    output=${ROBOCACHE_OUTPUT:-$PWD/bench_artifacts}
    defaults+=(--output "$output")
fi

status=0
"$validation" "${command[@]}" "${defaults[@]}" "$@" || status=$?

# Of launched ranks, rank 0 has the evidence of all.
if [[ -n $launched && ${RANK:-${OMPI_COMM_WORLD_RANK:-${SLURM_PROCID:-0}}} != 0 ]]; then exit "$status"; fi

# What this run wrote is what is newer than the folder of links.
runs=()
for run in "$output"/*/*/; do
    if [[ $run -nt $links || ${run}records.jsonl -nt $links ]]; then runs+=("${run#"$output"/}"); fi
done
if ((${#runs[@]} == 0)); then exit "$status"; fi
archive=$output-$(TZ=UTC printf '%(%Y%m%dT%H%M%SZ)T' -1).tar.gz
if command -v tar >/dev/null && command -v gzip >/dev/null; then
    tar -C "$output" -czf "$archive" "${runs[@]}"
    echo "run: evidence is packed in $archive"
else
    echo "run: tar or gzip is missing here; the evidence is in $output" >&2
fi
exit "$status"
