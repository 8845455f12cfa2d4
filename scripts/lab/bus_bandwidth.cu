// A second opinion on bus bandwidth: one process, all GPUs, and a loop of its own over the same NCCL.
//
//     nvcc -O2 -std=c++17 -o bus_bandwidth bus_bandwidth.cu -lnccl && NCCL_NVLS_ENABLE=0 ./bus_bandwidth [GPUS] [BYTES]
//
// It times as nccl-tests does: five calls that do not count, then twenty between two readings of the clock, in groups
// over all GPUs. Sizes and factors are those of its doc/PERFORMANCE.md: BYTES is the larger of the two buffers.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include <cuda_runtime.h>
#include <nccl.h>

namespace {

constexpr int WARM_UP = 5;
constexpr int REPEATS = 20;

void check(bool succeeded, const char *what, const char *why) {
    if (succeeded) return;
    std::fprintf(stderr, "%s: %s\n", what, why);
    std::exit(1);
}

void cuda(cudaError_t status, const char *what) { check(status == cudaSuccess, what, cudaGetErrorString(status)); }
void nccl(ncclResult_t status, const char *what) { check(status == ncclSuccess, what, ncclGetErrorString(status)); }

struct Rank {
    int index;
    ncclComm_t communicator;
    cudaStream_t stream;
    float *send;
    float *receive;
};

using Call = std::function<void(const Rank &)>;

// Seconds per call.
double time_of(std::vector<Rank> &ranks, const Call &call) {
    const auto once = [&] {
        nccl(ncclGroupStart(), "ncclGroupStart");
        for (const Rank &rank : ranks) call(rank);
        nccl(ncclGroupEnd(), "ncclGroupEnd");
    };
    const auto wait = [&] {
        for (const Rank &rank : ranks) {
            cuda(cudaSetDevice(rank.index), "cudaSetDevice");
            cuda(cudaStreamSynchronize(rank.stream), "cudaStreamSynchronize");
        }
    };
    for (int repeat = 0; repeat < WARM_UP; ++repeat) once();
    wait();
    const auto begin = std::chrono::steady_clock::now();
    for (int repeat = 0; repeat < REPEATS; ++repeat) once();
    wait();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / REPEATS;
}

}  // namespace

int main(int argc, char **argv) {
    int gpus = 0;
    cuda(cudaGetDeviceCount(&gpus), "cudaGetDeviceCount");
    const int world = argc > 1 ? std::atoi(argv[1]) : gpus;
    const size_t bytes = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : size_t{256} << 20;
    check(world >= 1 && world <= gpus, "GPUS", "there are fewer");
    const size_t whole = bytes / sizeof(float);
    const size_t part = whole / world;

    std::vector<ncclComm_t> communicators(world);
    nccl(ncclCommInitAll(communicators.data(), world, nullptr), "ncclCommInitAll");
    std::vector<Rank> ranks;
    for (int index = 0; index < world; ++index) {
        Rank rank{index, communicators[index], nullptr, nullptr, nullptr};
        cuda(cudaSetDevice(index), "cudaSetDevice");
        cuda(cudaStreamCreateWithFlags(&rank.stream, cudaStreamNonBlocking), "cudaStreamCreate");
        cuda(cudaMalloc(&rank.send, bytes), "cudaMalloc");
        cuda(cudaMalloc(&rank.receive, bytes), "cudaMalloc");
        cuda(cudaMemset(rank.send, 0, bytes), "cudaMemset");
        ranks.push_back(rank);
    }

    const double others = double(world - 1) / world;
    const auto report = [&](const char *name, double factor, const Call &call) {
        const double seconds = time_of(ranks, call);
        std::printf("%-18s world %d  %zu bytes  %9.1f us  %7.2f GB/s\n", name, world, bytes, seconds * 1e6,
                    factor * bytes / seconds / 1e9);
    };
    report("all_reduce_sum", 2 * others, [&](const Rank &rank) {
        nccl(ncclAllReduce(rank.send, rank.receive, whole, ncclFloat, ncclSum, rank.communicator, rank.stream),
             "ncclAllReduce");
    });
    report("all_gather", others, [&](const Rank &rank) {
        nccl(ncclAllGather(rank.send, rank.receive, part, ncclFloat, rank.communicator, rank.stream), "ncclAllGather");
    });
    report("reduce_scatter_sum", others, [&](const Rank &rank) {
        nccl(ncclReduceScatter(rank.send, rank.receive, part, ncclFloat, ncclSum, rank.communicator, rank.stream),
             "ncclReduceScatter");
    });
    report("broadcast", 1, [&](const Rank &rank) {
        nccl(ncclBroadcast(rank.send, rank.receive, whole, ncclFloat, world - 1, rank.communicator, rank.stream),
             "ncclBroadcast");
    });
    report("reduce_sum", 1, [&](const Rank &rank) {
        nccl(ncclReduce(rank.send, rank.receive, whole, ncclFloat, ncclSum, world - 1, rank.communicator, rank.stream),
             "ncclReduce");
    });
    report("send_receive", 1, [&](const Rank &rank) {
        const int next = (rank.index + 1) % world;
        const int previous = (rank.index + world - 1) % world;
        nccl(ncclSend(rank.send, whole, ncclFloat, next, rank.communicator, rank.stream), "ncclSend");
        nccl(ncclRecv(rank.receive, whole, ncclFloat, previous, rank.communicator, rank.stream), "ncclRecv");
    });
    report("all_to_all", others, [&](const Rank &rank) {
        for (int peer = 0; peer < world; ++peer) {
            nccl(ncclSend(rank.send + peer * part, part, ncclFloat, peer, rank.communicator, rank.stream), "ncclSend");
            nccl(ncclRecv(rank.receive + peer * part, part, ncclFloat, peer, rank.communicator, rank.stream), "ncclRecv");
        }
    });

    for (const Rank &rank : ranks) nccl(ncclCommDestroy(rank.communicator), "ncclCommDestroy");
    return 0;
}
