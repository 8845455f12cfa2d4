// resample and fuse: linear interpolation, clamped at both ends. One block computes one row of the output at a time.
#include "numbers.cuh"

namespace {

constexpr int kThreads = 128;
constexpr int64_t kMostBlocks = 1 << 20;

// Streams by value: rc_fuse_args::streams is host memory, and a graph may be replayed when it is gone.
struct Streams {
    rc_stream items[RC_MAX_STREAMS];
    int count;
};

// Targets tt[batch, target] and output y[batch, target, width].
struct Timeline {
    const void *tt;
    void *y;
    int64_t batch;
    int64_t target;
    int64_t width;
    uint32_t dtype;
    uint32_t time_dtype;
};

// Two samples, the same where the result is a copy, and the weight of the second.
struct Position {
    int64_t before;
    int64_t after;
    float weight;
};

__device__ float difference(float later, float earlier) {
    return __fsub_rn(later, earlier);
}

// Exact, and then rounded: the difference of two int64_t fits a uint64_t, also where it overflows an int64_t.
__device__ float difference(int64_t later, int64_t earlier) {
    return __ull2float_rn(static_cast<unsigned long long>(later) - static_cast<unsigned long long>(earlier));
}

template <typename Time> __device__ Position locate(const Time *ts, int64_t count, Time target) {
    // How many times are not after the target.
    int64_t low = 0;
    int64_t high = count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (target < ts[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    const int64_t last = low - 1;
    if (low == 0) {
        return {0, 0, 0.0f}; // before the first sample
    }
    if (low == count || ts[last] == target) {
        return {last, last, 0.0f}; // at or after the last sample, or exactly at one
    }
    return {last, low, __fdiv_rn(difference(target, ts[last]), difference(ts[low], ts[last]))};
}

__device__ void interpolate_row(const rc_stream &stream, const Timeline &line, int64_t row, int64_t first) {
    const int64_t batch = row / line.target;
    const int64_t times = batch * stream.source;
    Position position;
    if (line.time_dtype == RC_I64) {
        const int64_t target = static_cast<const int64_t *>(line.tt)[row];
        position = locate(static_cast<const int64_t *>(stream.ts) + times, stream.source, target);
    } else {
        const float target = static_cast<const float *>(line.tt)[row];
        position = locate(static_cast<const float *>(stream.ts) + times, stream.source, target);
    }
    const int64_t before = (times + position.before) * stream.channels;
    const int64_t after = (times + position.after) * stream.channels;
    for (int64_t d = threadIdx.x; d < stream.channels; d += blockDim.x) {
        float value = load(stream.x, line.dtype, before + d);
        if (position.after != position.before) {
            const float right = load(stream.x, line.dtype, after + d);
            value = __fadd_rn(__fmul_rn(value, __fsub_rn(1.0f, position.weight)), __fmul_rn(right, position.weight));
        }
        store(line.y, line.dtype, row * line.width + first + d, value);
    }
}

__device__ void interpolate(const Streams &streams, const Timeline &line) {
    const int64_t rows = line.batch * line.target;
    for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
        int64_t first = 0;
        for (int i = 0; i < streams.count; ++i) {
            interpolate_row(streams.items[i], line, row, first);
            first += streams.items[i].channels;
        }
    }
}

} // namespace

// Named as the budgets of launch_count name them.
extern "C" __global__ void resample_rows(Streams streams, Timeline line) {
    interpolate(streams, line);
}

extern "C" __global__ void fuse_rows(Streams streams, Timeline line) {
    interpolate(streams, line);
}

namespace {

unsigned blocks_for(const Timeline &line) {
    const int64_t rows = line.batch * line.target;
    return static_cast<unsigned>(rows < kMostBlocks ? rows : kMostBlocks);
}

} // namespace

RC_EXPORT int rc_resample(const rc_resample_args *args, void *stream) {
    Streams streams = {};
    streams.items[0] = {args->x, args->ts, args->source, args->channels};
    streams.count = 1;
    const Timeline line = {args->tt, args->y, args->batch, args->target, args->channels, args->dtype, args->time_dtype};
    if (blocks_for(line) > 0) {
        resample_rows<<<blocks_for(line), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(streams, line);
    }
    return status(args->call);
}

RC_EXPORT int rc_fuse(const rc_fuse_args *args, void *stream) {
    Streams streams = {};
    for (int64_t i = 0; i < args->stream_count; ++i) {
        streams.items[i] = args->streams[i];
    }
    streams.count = static_cast<int>(args->stream_count);
    const Timeline line = {args->tt, args->y, args->batch, args->target, args->channels, args->dtype, args->time_dtype};
    if (blocks_for(line) > 0) {
        fuse_rows<<<blocks_for(line), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(streams, line);
    }
    return status(args->call);
}
