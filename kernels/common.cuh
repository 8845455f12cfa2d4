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

// A kernel under its own name. The bound makes the compiler leave enough registers for the largest legal block, so that
// no launch geometry fails.
#define ROBOCACHE_KERNEL extern "C" __global__ void __launch_bounds__(1024)

namespace robocache {

// Element types work on bit patterns, so that a copy keeps -0 and subnormals without passing an ALU.
//   widen    bits -> float, exact
//   narrow   float -> bits, round to nearest even, canonical NaN
//   copy     bits -> bits, unchanged unless NaN, which becomes canonical
struct F32 {
    using Bits = std::uint32_t;
    static constexpr Bits kCanonicalNan = 0x7FC00000u;

    __device__ static bool is_nan(Bits bits) { return (bits & 0x7FFFFFFFu) > 0x7F800000u; }
    __device__ static Bits copy(Bits bits) { return is_nan(bits) ? kCanonicalNan : bits; }
    __device__ static float widen(Bits bits) { return __uint_as_float(bits); }
    __device__ static Bits narrow(float value) { return copy(__float_as_uint(value)); }
};

struct F16 {
    using Bits = std::uint16_t;
    static constexpr Bits kCanonicalNan = 0x7E00u;

    __device__ static bool is_nan(Bits bits) { return (bits & 0x7FFFu) > 0x7C00u; }
    __device__ static Bits copy(Bits bits) { return is_nan(bits) ? kCanonicalNan : bits; }
    __device__ static float widen(Bits bits) { return __half2float(__ushort_as_half(bits)); }
    __device__ static Bits narrow(float value) { return copy(__half_as_ushort(__float2half_rn(value))); }
};

struct Bf16 {
    using Bits = std::uint16_t;
    static constexpr Bits kCanonicalNan = 0x7FC0u;

    __device__ static bool is_nan(Bits bits) { return (bits & 0x7FFFu) > 0x7F80u; }
    __device__ static Bits copy(Bits bits) { return is_nan(bits) ? kCanonicalNan : bits; }
    __device__ static float widen(Bits bits) { return __uint_as_float(std::uint32_t(bits) << 16); }
    __device__ static Bits narrow(float value) { return copy(__bfloat16_as_ushort(__float2bfloat16_rn(value))); }
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

// Walks the items of a table of `columns` columns, `stride` items at a time, dividing only at the start.
struct Walk {
    std::uint64_t row, column;

    __device__ Walk(std::uint64_t first, std::uint64_t stride, std::uint64_t columns)
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
    std::uint64_t columns_, row_step_, column_step_;
};

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

    __device__ unsigned lanes_below() const { return (1u << lane) - 1u; }
};

} // namespace robocache
