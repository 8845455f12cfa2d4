/* Elements of tensors as float, and back. Widening is exact; narrowing rounds once, to nearest with ties to even. */
#ifndef C_SUBJECT_NUMBERS_H
#define C_SUBJECT_NUMBERS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "robocache_subject.h"

static inline float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The one NaN of float. */
static const uint32_t canonical_nan_f32 = 0x7FC00000u;
static const uint16_t canonical_nan_f16 = 0x7E00u;
static const uint16_t canonical_nan_bf16 = 0x7FC0u;

static inline float float_of_bf16(uint16_t bits) {
    return float_of_bits((uint32_t)bits << 16);
}

static inline uint16_t bf16_of_float(float value) {
    if (isnan(value)) {
        return canonical_nan_bf16;
    }
    uint32_t bits = bits_of_float(value);
    /* A half goes to the even neighbour: up only if the last bit kept is odd. A carry into the exponent is right. */
    uint32_t half_less_one = 0x7FFFu;
    uint32_t odd = bits >> 16 & 1u;
    return (uint16_t)((bits + half_less_one + odd) >> 16);
}

static inline float float_of_f16(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits >> 15) << 31;
    uint32_t exponent = bits >> 10 & 0x1Fu;
    uint32_t fraction = bits & 0x3FFu;
    if (exponent == 0x1Fu) {
        return float_of_bits(sign | 0x7F800000u | fraction << 13);
    }
    if (exponent == 0) {
        /* Zero or subnormal: fraction * 2^-24, which float holds exactly. */
        float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return float_of_bits(sign | (exponent + 112u) << 23 | fraction << 13);
}

static inline uint16_t f16_of_float(float value) {
    if (isnan(value)) {
        return canonical_nan_f16;
    }
    uint32_t bits = bits_of_float(value);
    uint16_t sign = (uint16_t)(bits >> 31 << 15);
    uint32_t magnitude = bits & 0x7FFFFFFFu;
    /* 65520 lies half way between the largest binary16 and the next power of two, which is infinity. */
    if (magnitude >= 0x477FF000u) {
        return (uint16_t)(sign | 0x7C00u);
    }
    /* Bits that are dropped: 13, or more where the result is a subnormal, whose last bit is worth 2^-24. */
    uint32_t exponent = magnitude >> 23;
    uint32_t significand = (magnitude & 0x7FFFFFu) | (exponent ? 0x800000u : 0u);
    uint32_t smallest_normal = 113u;
    uint32_t dropped = exponent >= smallest_normal ? 13u : 13u + (smallest_normal - exponent);
    if (dropped > 25u) {
        return sign; /* less than half of the smallest subnormal */
    }
    uint32_t kept = significand >> dropped;
    uint32_t rest = significand & ((1u << dropped) - 1u);
    uint32_t half = 1u << (dropped - 1u);
    if (rest > half || (rest == half && (kept & 1u))) {
        kept += 1u;
    }
    /* `kept` has its leading one where the result is normal, so it adds 1 to the exponent below. */
    uint32_t exponent_before = exponent >= smallest_normal ? exponent - smallest_normal : 0u;
    return (uint16_t)(sign | ((exponent_before << 10) + kept));
}

/* Element `index` of an array of this dtype. */
static inline float load(const void *data, uint32_t dtype, int64_t index) {
    switch (dtype) {
    case RC_F16:
        return float_of_f16(((const uint16_t *)data)[index]);
    case RC_BF16:
        return float_of_bf16(((const uint16_t *)data)[index]);
    default:
        return ((const float *)data)[index];
    }
}

/* Rounds to the dtype and writes; every NaN becomes the canonical one. */
static inline void store(void *data, uint32_t dtype, int64_t index, float value) {
    switch (dtype) {
    case RC_F16:
        ((uint16_t *)data)[index] = f16_of_float(value);
        break;
    case RC_BF16:
        ((uint16_t *)data)[index] = bf16_of_float(value);
        break;
    default:
        ((float *)data)[index] = isnan(value) ? float_of_bits(canonical_nan_f32) : value;
    }
}

#endif
