#!/usr/bin/env bash
# Runs the packed validation on several hosts with Open MPI's mpirun. All hosts must see the packed folder.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: ./mpirun_matrix.sh -n N [options] [-- arguments of ./validation]

Starts N processes, each of which runs one of N shards of the profile, or all of which are the ranks of one run.

  -n N               how many processes
  --host LIST        the hosts and their slots, as mpirun takes them: node1:4,node2:4 (default: this one)
  --launched DEVICE  run no shards, but the multi_gpu cells of N ranks, which these are, on cpu or cuda
  --mpirun ARGUMENT  hand this to mpirun, such as --mpirun --oversubscribe; may be repeated
  -h, --help         print this

Evidence goes to bench_artifacts/mpirun-TIME beside this script, or to mpirun-TIME in ROBOCACHE_OUTPUT; each shard has
a folder of its own in it. The exit status is the highest of all processes.

    ./mpirun_matrix.sh -n 8 --host node1:4,node2:4 -- --profile nightly
    MASTER_ADDR=node1 ./mpirun_matrix.sh -n 8 --host node1:4,node2:4 --launched cuda -- --profile eight_gpus

Ranks need one secret: ROBOCACHE_RENDEZVOUS_SECRET, or a new one where that is not set.
TEXT
}

fail() {
    echo "mpirun_matrix: $*" >&2
    exit 2
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# What each process does: its rank says which shard is its own. mpirun would end all
# processes when one of them fails, so that none does, and each leaves its exit status in a file.
if [[ ${1-} == --as-shard ]]; then
    shard=$((OMPI_COMM_WORLD_RANK + 1))/$OMPI_COMM_WORLD_SIZE
    part=${shard/\//of}
    # Ranks that the program starts itself are not those of mpirun.
    unset "${!OMPI_@}" "${!PMIX_@}"
    folder=$ROBOCACHE_OUTPUT
    export ROBOCACHE_OUTPUT=$folder/$part
    status=0
    "$here/run.sh" --shard "$shard" "${@:2}" || status=$?
    echo "$status" >"$folder/$part.status"
    exit 0
fi

processes='' hosts='' device='' mpirun=()
while (($#)); do
    case $1 in
        -n | --host | --launched | --mpirun)
            (($# > 1)) && [[ -n $2 ]] || fail "$1 needs a value"
            case $1 in
                -n) processes=$2 ;;
                --host) hosts=$2 ;;
                --launched) device=$2 ;;
                --mpirun) mpirun+=("$2") ;;
            esac
            shift 2
            ;;
        -h | --help) usage && exit ;;
        --) shift && break ;;
        *) usage >&2 && fail "unknown option $1; arguments of the program stand behind --" ;;
    esac
done
[[ $device =~ ^(cpu|cuda|)$ ]] || fail "--launched must be cpu or cuda"
[[ $processes =~ ^[1-9][0-9]*$ ]] || fail "-n must be the number of processes"
command -v mpirun >/dev/null || fail "there is no mpirun here: install Open MPI"
for file in run.sh validation; do
    [[ -x $here/$file ]] || fail "there is no program $file in $here: run this in the packed folder"
done

for argument in "$@"; do
    case $argument in
        --shard | --shard=*) fail "the shard of each process follows from its rank" ;;
        --launched | --launched=*) fail "--launched stands before --" ;;
        --output | --output=*) fail "set ROBOCACHE_OUTPUT: the processes must not share a folder" ;;
    esac
done

ROBOCACHE_OUTPUT=${ROBOCACHE_OUTPUT:-$here/bench_artifacts}/mpirun-$(TZ=UTC printf '%(%Y%m%dT%H%M%SZ)T' -1)
export ROBOCACHE_OUTPUT
# Other hosts get the variables that are named here, by name: what `ps` shows holds no value.
mpirun+=(-n "$processes" -x ROBOCACHE_OUTPUT)
if [[ -n $hosts ]]; then mpirun+=(--host "$hosts"); fi
if [[ -n $device ]]; then
    export ROBOCACHE_RENDEZVOUS_SECRET=${ROBOCACHE_RENDEZVOUS_SECRET:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}
fi
for variable in ROBOCACHE_DATA ROBOCACHE_NCCL ROBOCACHE_CUPTI ROBOCACHE_RENDEZVOUS_SECRET ROBOCACHE_RENDEZVOUS_PORT \
    MASTER_ADDR MASTER_PORT "${!NCCL_@}"; do
    if [[ -n ${!variable-} ]]; then mpirun+=(-x "$variable"); fi
done

mkdir -p "$ROBOCACHE_OUTPUT"
echo "mpirun_matrix: evidence goes to $ROBOCACHE_OUTPUT"
if [[ -n $device ]]; then
    # Its status is that of the first rank that did not end with 0, which is the leader unless a rank was lost.
    exec mpirun "${mpirun[@]}" "$here/run.sh" --launched "$device" "$@"
fi
mpirun "${mpirun[@]}" "$here/mpirun_matrix.sh" --as-shard "$@" || fail "mpirun failed"

# The worst of all, where 130 (interrupted) is the worst.
worst=0 ended=0
for file in "$ROBOCACHE_OUTPUT"/*.status; do
    status=$(<"$file")
    ended=$((ended + 1))
    if ((status > worst)); then worst=$status; fi
done
((ended == processes)) || fail "only $ended of $processes processes came to their end"
echo "mpirun_matrix: all shards as one: $here/validation collect $ROBOCACHE_OUTPUT/*/*/*/"
exit "$worst"
