#!/usr/bin/env bash
# Runs the packed validation on several hosts with Open MPI's mpirun. All hosts must see the packed folder.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: ./mpirun_matrix.sh -n N [options] [-- arguments of ./validation]

Starts N processes. By default each runs one of N shards of the profile; with --launched in the arguments of the
program they are the ranks of one run instead.

  -n N               how many processes
  --host LIST        the hosts and their slots, as mpirun takes them: node1:4,node2:4 (default: this one)
  --mpirun ARGUMENT  hand this to mpirun, such as --mpirun --oversubscribe; may be repeated
  -h, --help         print this

Evidence goes to bench_artifacts/mpirun-TIME beside this script, or to mpirun-TIME in ROBOCACHE_OUTPUT; each shard has
a folder of its own in it. The exit status is the highest of all processes.

    ./mpirun_matrix.sh -n 8 --host node1:4,node2:4 -- --profile nightly
    ./mpirun_matrix.sh -n 8 --host node1:4,node2:4 -- --launched cuda --profile multi_gpu
TEXT
}

fail() {
    echo "mpirun_matrix: $*" >&2
    exit 2
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# What each process does: with its rank it finds its shard, or a folder that is not another's. mpirun would end all
# processes when one of them fails, so that none does, and each leaves its exit status in a file.
if [[ ${1-} == --as-shard || ${1-} == --as-rank ]]; then
    if [[ $1 == --as-shard ]]; then
        shard=$((OMPI_COMM_WORLD_RANK + 1))/$OMPI_COMM_WORLD_SIZE
        arguments=(--shard "$shard" "${@:2}")
        part=${shard/\//of}
        # Ranks that the program starts itself are not those of mpirun.
        unset "${!OMPI_@}" "${!PMIX_@}"
    else
        arguments=("${@:2}")
        part=rank$OMPI_COMM_WORLD_RANK
    fi
    folder=$ROBOCACHE_OUTPUT
    export ROBOCACHE_OUTPUT=$folder/$part
    status=0
    "$here/run.sh" "${arguments[@]}" || status=$?
    echo "$status" >"$folder/$part.status"
    exit 0
fi

processes='' hosts='' mpirun=()
while (($#)); do
    case $1 in
        -n | --host | --mpirun)
            (($# > 1)) && [[ -n $2 ]] || fail "$1 needs a value"
            case $1 in
                -n) processes=$2 ;;
                --host) hosts=$2 ;;
                --mpirun) mpirun+=("$2") ;;
            esac
            shift 2
            ;;
        -h | --help) usage && exit ;;
        --) shift && break ;;
        *) usage >&2 && fail "unknown option $1; arguments of the program stand behind --" ;;
    esac
done
[[ $processes =~ ^[1-9][0-9]*$ ]] || fail "-n must be the number of processes"
command -v mpirun >/dev/null || fail "there is no mpirun here: install Open MPI"
for file in run.sh validation; do
    [[ -x $here/$file ]] || fail "there is no program $file in $here: run this in the packed folder"
done

launched=''
for argument in "$@"; do
    case $argument in
        --launched | --launched=*) launched=1 ;;
        --shard | --shard=*) fail "the shard of each process follows from its rank" ;;
        --output | --output=*) fail "set ROBOCACHE_OUTPUT: the processes must not share a folder" ;;
    esac
done

ROBOCACHE_OUTPUT=${ROBOCACHE_OUTPUT:-$here/bench_artifacts}/mpirun-$(TZ=UTC printf '%(%Y%m%dT%H%M%SZ)T' -1)
export ROBOCACHE_OUTPUT
# Other hosts get the variables that are named here, by name: what `ps` shows holds no value.
mpirun+=(-n "$processes" -x ROBOCACHE_OUTPUT)
if [[ -n $hosts ]]; then mpirun+=(--host "$hosts"); fi
for variable in ROBOCACHE_DATA ROBOCACHE_NCCL ROBOCACHE_CUPTI ROBOCACHE_RENDEZVOUS_PORT "${!NCCL_@}"; do
    if [[ -n ${!variable-} ]]; then mpirun+=(-x "$variable"); fi
done

part=--as-shard
if [[ -n $launched ]]; then
    part=--as-rank
    # Ranks recognise each other by it. A process's arguments are anyone's to read, its environment is not.
    if [[ -z ${ROBOCACHE_RENDEZVOUS_SECRET-} ]]; then
        ROBOCACHE_RENDEZVOUS_SECRET=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
    fi
    export ROBOCACHE_RENDEZVOUS_SECRET
    mpirun+=(-x ROBOCACHE_RENDEZVOUS_SECRET)
    # Rank 0 is on the first host. Open MPI does not tell the others where that is.
    if [[ -z ${MASTER_ADDR-} && -n $hosts ]]; then
        first=${hosts%%,*}
        MASTER_ADDR=${first%%:*}
    fi
    if [[ -n ${MASTER_ADDR-} ]]; then
        export MASTER_ADDR
        mpirun+=(-x MASTER_ADDR)
    fi
fi

mkdir -p "$ROBOCACHE_OUTPUT"
echo "mpirun_matrix: evidence goes to $ROBOCACHE_OUTPUT"
mpirun "${mpirun[@]}" "$here/mpirun_matrix.sh" "$part" "$@" || fail "mpirun failed"

# The worst of all, where 130 (interrupted) is the worst.
worst=0 ended=0
for file in "$ROBOCACHE_OUTPUT"/*.status; do
    status=$(<"$file")
    ended=$((ended + 1))
    if ((status > worst)); then worst=$status; fi
done
((ended == processes)) || fail "only $ended of $processes processes came to their end"
if [[ -z $launched ]]; then
    echo "mpirun_matrix: all shards as one: $here/validation collect $ROBOCACHE_OUTPUT/*/*/*/"
fi
exit "$worst"
