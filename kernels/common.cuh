// What every kernel family shares: element types, vector access, and how a launch is walked.
//
// Contracts that all kernels keep:
//   * grids and blocks are one-dimensional, and any size of either gives the same bits;
//   * indices and sizes are 64-bit;
//   * every rounding step is written out (`__fmul_rn`, `__fadd_rn`, ...), so no compiler flag can fuse or
//     approximate it;
//   * a NaN that is written is the one canonical NaN of its type.
//
// No anonymous namespace and no `static` at file scope: nvcc mangles those with a hash of the file's path,
// and the image has to be the same bytes in every checkout.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <cstring>

// A kernel under its own name, with at most so many registers a thread: 64 and fewer allow blocks of 1024 threads on
// every GPU, so that no launch geometry fails, and 32 let a multiprocessor hold all the threads that it can.
#define ROBOCACHE_KERNEL(REGISTERS) extern "C" __global__ void __maxnreg__(REGISTERS)

namespace robocache {

// Element types work on bit patterns, so that a copy keeps -0 and subnormals without passing an ALU.
//   widen         bits -> float, exact
//   narrow        float -> bits, round to nearest even, canonical NaN
//   copy          bits -> bits, unchanged unless NaN, which becomes canonical
// Neighbouring elements are worked on in pairs, which for two-byte types share a register:
//   widen_pair    exact
//   narrow_pair   round to nearest even; a NaN is any NaN
//   copy_pair     as copy
//   may_hold_nan  whether one of some pairs may be NaN; false only if none is
struct F32 {
    using Bits = std::uint32_t;
    using Pair = uint2;
    static constexpr Bits kCanonicalNan = 0x7FC00000u;

    __device__ static bool is_nan(Bits bits) { return (bits & 0x7FFFFFFFu) > 0x7F800000u; }
    __device__ static Bits copy(Bits bits) { return is_nan(bits) ? kCanonicalNan : bits; }
    __device__ static float widen(Bits bits) { return __uint_as_float(bits); }
    __device__ static Bits narrow(float value) { return copy(__float_as_uint(value)); }

    __device__ static float2 widen_pair(Pair pair) { return {widen(pair.x), widen(pair.y)}; }
    __device__ static Pair narrow_pair(float2 values) {
        return {__float_as_uint(values.x), __float_as_uint(values.y)};
    }
    __device__ static Pair copy_pair(Pair pair) { return {copy(pair.x), copy(pair.y)}; }
    template <int Count> __device__ static bool may_hold_nan(const Pair (&pairs)[Count]) {
        bool ordered = true;
#pragma unroll
        for (int i = 0; i < Count; ++i) {
            const float2 values = widen_pair(pairs[i]);
            ordered = ordered && values.x == values.x && values.y == values.y;
        }
        return !ordered;
    }
};

// What the two-byte types share: a pair is a word whose lower half is the first element.
template <typename Dtype> struct TwoBytes {
    using Bits = std::uint16_t;
    using Pair = std::uint32_t;

    __device__ static Pair copy_pair(Pair pair) {
        return Dtype::copy(Bits(pair & 0xFFFFu)) | std::uint32_t(Dtype::copy(Bits(pair >> 16))) << 16;
    }
};

struct F16 : TwoBytes<F16> {
    static constexpr Bits kCanonicalNan = 0x7E00u;

    __device__ static bool is_nan(Bits bits) { return (bits & 0x7FFFu) > 0x7C00u; }
    __device__ static Bits copy(Bits bits) { return is_nan(bits) ? kCanonicalNan : bits; }
    __device__ static float widen(Bits bits) { return __half2float(__ushort_as_half(bits)); }
    __device__ static Bits narrow(float value) { return copy(__half_as_ushort(__float2half_rn(value))); }

    __device__ static __half2 as_half2(Pair pair) {
        __half2 values;
        std::memcpy(&values, &pair, sizeof(pair));
        return values;
    }
    __device__ static float2 widen_pair(Pair pair) { return __half22float2(as_half2(pair)); }
    __device__ static Pair narrow_pair(float2 values) {
        const __half2 rounded = __float22half2_rn(values);
        Pair pair;
        std::memcpy(&pair, &rounded, sizeof(pair));
        return pair;
    }
    // NaN survives addition; that infinities may make one too costs only time.
    template <int Count> __device__ static bool may_hold_nan(const Pair (&pairs)[Count]) {
        __half2 sum = as_half2(pairs[0]);
#pragma unroll
        for (int i = 1; i < Count; ++i) {
            sum = __hadd2(sum, as_half2(pairs[i]));
        }
        return !__hbeq2(sum, sum);
    }
};

struct Bf16 : TwoBytes<Bf16> {
    static constexpr Bits kCanonicalNan = 0x7FC0u;

    __device__ static bool is_nan(Bits bits) { return (bits & 0x7FFFu) > 0x7F80u; }
    __device__ static Bits copy(Bits bits) { return is_nan(bits) ? kCanonicalNan : bits; }
    __device__ static float widen(Bits bits) { return __uint_as_float(std::uint32_t(bits) << 16); }
    __device__ static Bits narrow(float value) { return copy(__bfloat16_as_ushort(__float2bfloat16_rn(value))); }

    __device__ static __nv_bfloat162 as_bfloat162(Pair pair) {
        __nv_bfloat162 values;
        std::memcpy(&values, &pair, sizeof(pair));
        return values;
    }
    __device__ static float2 widen_pair(Pair pair) {
        return {__uint_as_float(pair << 16), __uint_as_float(pair & 0xFFFF0000u)};
    }
    __device__ static Pair narrow_pair(float2 values) {
        const __nv_bfloat162 rounded = __float22bfloat162_rn(values);
        Pair pair;
        std::memcpy(&pair, &rounded, sizeof(pair));
        return pair;
    }
    // As for F16.
    template <int Count> __device__ static bool may_hold_nan(const Pair (&pairs)[Count]) {
        __nv_bfloat162 sum = as_bfloat162(pairs[0]);
#pragma unroll
        for (int i = 1; i < Count; ++i) {
            sum = __hadd2(sum, as_bfloat162(pairs[i]));
        }
        return !__hbeq2(sum, sum);
    }
};

// The machine word that moves `Bytes` bytes in one instruction.
template <int Bytes> struct WordOf;
template <> struct WordOf<2> { using Type = unsigned short; };
template <> struct WordOf<4> { using Type = unsigned int; };
template <> struct WordOf<8> { using Type = uint2; };
template <> struct WordOf<16> { using Type = uint4; };

// `Lanes` neighbouring elements, moved as one word. The address must be aligned to the whole chunk.
template <typename Bits, int Lanes> struct Chunk {
    using Word = typename WordOf<int(sizeof(Bits)) * Lanes>::Type;
    Bits lanes[Lanes];

    // Reads through the read-only path: the memory must not be written while the kernel runs.
    __device__ static Chunk load(const Bits *address) {
        const Word word = __ldg(reinterpret_cast<const Word *>(address));
        Chunk chunk;
        std::memcpy(chunk.lanes, &word, sizeof(word));
        return chunk;
    }

    // The same if it is wanted, else zeros.
    __device__ static Chunk load_if(bool wanted, const Bits *address) {
        Word word = {};
        if (wanted) {
            word = __ldg(reinterpret_cast<const Word *>(address));
        }
        Chunk chunk;
        std::memcpy(chunk.lanes, &word, sizeof(word));
        return chunk;
    }

    // Writes with the streaming hint: outputs are not read again by the kernel and should not evict inputs.
    __device__ void store(Bits *address) const {
        Word word;
        std::memcpy(&word, lanes, sizeof(word));
        __stcs(reinterpret_cast<Word *>(address), word);
    }
};

// The widest access, 16 bytes at most, to which every address and byte stride OR-ed into `combined` is aligned.
__device__ inline unsigned widest_access(std::uint64_t combined) {
    const std::uint64_t capped = combined | 16u;
    return unsigned(capped & (0u - capped)); // its lowest set bit
}

__device__ inline std::uint64_t address_of(const void *pointer) {
    return std::uint64_t(reinterpret_cast<std::uintptr_t>(pointer));
}

// Grid-stride loops: this thread's first item, and the distance to its next one.
__device__ inline std::uint64_t first_item() {
    return std::uint64_t(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::uint64_t item_stride() { return std::uint64_t(gridDim.x) * blockDim.x; }

// Quotient and remainder. Division of 64-bit numbers takes a hundred instructions, and almost all are short.
struct Division {
    std::uint64_t quotient, remainder;

    __device__ Division(std::uint64_t dividend, std::uint64_t divisor) {
        if ((dividend | divisor) >> 32 == 0) {
            quotient = std::uint32_t(dividend) / std::uint32_t(divisor);
            remainder = std::uint32_t(dividend) % std::uint32_t(divisor);
        } else {
            quotient = dividend / divisor;
            remainder = dividend % divisor;
        }
    }
};

// Walks the items of a table of `columns` columns, `stride` items at a time, dividing only at the start.
template <typename Index> struct Walk {
    Index row, column;

    __device__ Walk(Index first, Index stride, Index columns)
        : row(first / columns), column(first % columns), columns_(columns), row_step_(stride / columns),
          column_step_(stride % columns) {}

    __device__ void next() {
        row += row_step_;
        column += column_step_;
        if (column >= columns_) {
            column -= columns_;
            row += 1;
        }
    }

  private:
    Index columns_, row_step_, column_step_;
};

// Lets the next kernel of the stream begin its launch while this one runs, where that launch and the GPU allow it
// (programmatic dependent launch, compute capability 9.0). It changes when a kernel starts, and nothing else, because
// of what every kernel so launched does next.
__device__ inline void allow_next_kernel() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Waits until all that was enqueued before this kernel is done and visible. A kernel that may be launched early calls
// it before it touches any memory but its parameters.
__device__ inline void wait_for_previous_kernel() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// The warp of a one-dimensional block: the last warp of an odd block has fewer than 32 lanes.
struct Warp {
    unsigned lane;   // of this thread
    unsigned lanes;  // that exist
    unsigned mask;   // of those lanes

    __device__ static Warp current() {
        const unsigned first = threadIdx.x & ~31u;
        const unsigned lanes = min(32u, blockDim.x - first);
        return {threadIdx.x & 31u, lanes, lanes == 32u ? 0xFFFFFFFFu : (1u << lanes) - 1u};
    }
};

// The lanes of a warp that act as one.
struct Peers {
    unsigned mask;

    // Those that take part with the same key as this lane where keys are crowded, else this lane alone. One lane's key is
    // compared with all others; only if that finds peers is another one tried. So many equal keys act as one, while
    // different ones cost little, as a full match would not. Every lane of the warp calls it.
    __device__ static Peers of(const Warp &warp, std::uint64_t key, bool takes_part) {
        unsigned mine = 1u << warp.lane;
        unsigned left = __ballot_sync(warp.mask, takes_part);
        while (left != 0) {
            const std::uint64_t first_key = __shfl_sync(warp.mask, key, __ffs(int(left)) - 1);
            const unsigned same = __ballot_sync(warp.mask, takes_part && key == first_key) & left;
            if (__popc(same) == 1) {
                break;
            }
            if (same >> warp.lane & 1u) {
                mine = same;
            }
            left &= ~same;
        }
        return {mine};
    }

    __device__ std::uint32_t count() const { return std::uint32_t(__popc(mask)); }
    __device__ unsigned lowest() const { return unsigned(__ffs(int(mask))) - 1; }
    __device__ unsigned highest() const { return 31 - unsigned(__clz(int(mask))); }
    // Those of them below a lane: whether there are any, how many, and the nearest.
    __device__ bool any_below(unsigned lane) const { return below(lane) != 0; }
    __device__ std::uint32_t rank(unsigned lane) const { return std::uint32_t(__popc(below(lane))); }
    __device__ unsigned nearest_below(unsigned lane) const { return 31 - unsigned(__clz(int(below(lane)))); }

  private:
    __device__ unsigned below(unsigned lane) const { return mask & ((1u << lane) - 1u); }
};

} // namespace robocache
