// Elements of tensors as float and back, and what a launch says of itself.
#pragma once

#include <cstdint>
#include <cstdio>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "robocache_subject.h"

constexpr uint32_t kCanonicalNanF32 = 0x7FC00000u;
constexpr uint16_t kCanonicalNanF16 = 0x7E00u;
constexpr uint16_t kCanonicalNanBf16 = 0x7FC0u;

// Element `index` of an array of this dtype. Widening is exact.
__device__ inline float load(const void *data, uint32_t dtype, int64_t index) {
    switch (dtype) {
    case RC_F16:
        return __half2float(static_cast<const __half *>(data)[index]);
    case RC_BF16:
        return __bfloat162float(static_cast<const __nv_bfloat16 *>(data)[index]);
    default:
        return static_cast<const float *>(data)[index];
    }
}

// Rounds once, to nearest with ties to even, and writes; every NaN becomes the canonical one.
__device__ inline void store(void *data, uint32_t dtype, int64_t index, float value) {
    const bool is_nan = value != value;
    switch (dtype) {
    case RC_F16:
        static_cast<uint16_t *>(data)[index] = is_nan ? kCanonicalNanF16 : __half_as_ushort(__float2half_rn(value));
        break;
    case RC_BF16:
        static_cast<uint16_t *>(data)[index] =
            is_nan ? kCanonicalNanBf16 : __bfloat16_as_ushort(__float2bfloat16_rn(value));
        break;
    default:
        static_cast<uint32_t *>(data)[index] = is_nan ? kCanonicalNanF32 : __float_as_uint(value);
    }
}

// What became of the launches so far, explained to the harness.
inline int status(const rc_call &call) {
    const cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess) {
        return RC_OK;
    }
    std::snprintf(call.message, call.message_capacity, "%s: %s", cudaGetErrorName(error), cudaGetErrorString(error));
    return RC_FAILED;
}
