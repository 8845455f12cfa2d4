// The correctly rounded mean of f32 values, without ever rounding on the way.
//
// A sum runs in f64 for as long as every addition is exact, which TwoSum tells. When one would round, the running
// sum, still exact, is spilled into a fixed-point number wide enough for everything that can occur, and the running
// sum starts anew. At the end, sum / count is rounded once. The result depends on the multiset of values alone:
// neither order nor grouping can change a bit.
//
// The fixed-point number counts units of 2^-149, the smallest f32 subnormal, in base 2^32 with signed 64-bit digits
// that absorb carries, so digits can be added in any order, also by integer atomics. Bounds: fewer than 2^31 values,
// each below 2^128, sum to less than 2^159, that is 2^308 units: ten digits. Each spill adds less than 2^32 to a
// digit, and fewer than 2^31 spills stay below 2^63.
#pragma once

#include "common.cuh"

namespace robocache {

constexpr int kDigits = 11; // ten, and one that a spill may touch with zero

// Values that are not finite cannot be summed; they decide the mean together.
constexpr std::uint32_t kPositiveInfinity = 1;
constexpr std::uint32_t kNegativeInfinity = 2;
constexpr std::uint32_t kNotANumber = 4;

// Zero for finite values, otherwise one of the flags above.
__device__ inline std::uint32_t special_flag(float value) {
    const std::uint32_t bits = __float_as_uint(value);
    if ((bits & 0x7F800000u) != 0x7F800000u) {
        return 0;
    }
    if (F32::is_nan(bits)) {
        return kNotANumber;
    }
    return bits >> 31 ? kNegativeInfinity : kPositiveInfinity;
}

// The mean of values of which some were not finite.
__device__ inline float special_mean(std::uint32_t flags) {
    switch (flags) {
    case kPositiveInfinity:
        return __uint_as_float(0x7F800000u);
    case kNegativeInfinity:
        return __uint_as_float(0xFF800000u);
    default: // a NaN, or infinities of both signs
        return __uint_as_float(F32::kCanonicalNan);
    }
}

// Computes sum = fl(a + b) and tells whether that is a + b exactly (Knuth's TwoSum).
__device__ inline bool add_exactly(double a, double b, double &sum) {
    sum = __dadd_rn(a, b);
    const double b_part = __dsub_rn(sum, a);
    const double a_part = __dsub_rn(sum, b_part);
    return __dadd_rn(__dsub_rn(a, a_part), __dsub_rn(b, b_part)) == 0.0;
}

// Splits a finite multiple of 2^-149 below 2^160 into digits and calls add(index, amount) for each nonzero one.
template <typename AddDigit> __device__ void split_into_digits(double value, AddDigit add) {
    const std::uint64_t bits = std::uint64_t(__double_as_longlong(value));
    const int biased_exponent = int(bits >> 52 & 0x7FF);
    if (biased_exponent == 0) {
        return; // zero: an f64 subnormal is no multiple of 2^-149
    }
    std::uint64_t mantissa = (bits & ((1ull << 52) - 1)) | 1ull << 52;
    int position = biased_exponent - (1023 + 52) + 149; // of the mantissa's lowest bit, in units
    if (position < 0) {
        mantissa >>= -position; // only zeros are lost
        position = 0;
    }
    const int index = position / 32;
    const int shift = position % 32;
    const std::uint64_t low = mantissa << shift;
    const std::uint64_t high = shift == 0 ? 0 : mantissa >> (64 - shift);
    const std::int64_t sign = bits >> 63 ? -1 : 1;
    const std::int64_t digits[3] = {std::int64_t(low & 0xFFFFFFFFu), std::int64_t(low >> 32), std::int64_t(high)};
#pragma unroll
    for (int i = 0; i < 3; ++i) {
        if (digits[i] != 0) {
            add(index + i, sign * digits[i]);
        }
    }
}

// sum / count, rounded once, for an exact sum. A mean that is exactly zero is +0.
__device__ inline float mean_of_sum(double sum, std::uint32_t count) {
    if (sum == 0.0) {
        return 0.0f;
    }
    // Rounding the quotient to f64 and then to f32 would round twice. Rounding it to odd first does not: wherever
    // the f64 quotient is inexact, its last bit is made one, and no f32 midpoint has that bit.
    const double divisor = double(count);
    const double quotient = __ddiv_rn(sum, divisor);
    const double residual = __fma_rn(-quotient, divisor, sum); // exact
    std::uint64_t bits = std::uint64_t(__double_as_longlong(quotient));
    if (residual != 0.0 && (bits & 1) == 0) {
        const bool larger_magnitude = (residual > 0.0) == (quotient > 0.0);
        bits = larger_magnitude ? bits + 1 : bits - 1;
    }
    return __double2float_rn(__longlong_as_double((long long)(bits)));
}

// The same for a sum in digits.
__device__ inline float mean_of_digits(const std::int64_t *digits, std::uint32_t count) {
    // Carry, then take the magnitude out of the two's complement.
    std::uint32_t magnitude[kDigits];
    std::int64_t carry = 0;
    for (int i = 0; i < kDigits; ++i) {
        const std::int64_t digit = digits[i] + carry;
        magnitude[i] = std::uint32_t(digit);
        carry = digit >> 32;
    }
    const bool negative = carry < 0;
    std::uint32_t any = 0;
    std::uint64_t increment = negative ? 1 : 0;
    for (int i = 0; i < kDigits; ++i) {
        if (negative) {
            increment += std::uint32_t(~magnitude[i]);
            magnitude[i] = std::uint32_t(increment);
            increment >>= 32;
        }
        any |= magnitude[i];
    }
    if (any == 0) {
        return 0.0f;
    }
    // Divide magnitude * 2^64 by count, so that the quotient, in units of 2^-213, reaches 64 bits below f32's grid.
    constexpr int kQuotientDigits = kDigits + 2;
    std::uint32_t quotient[kQuotientDigits];
    std::uint64_t remainder = 0;
    for (int i = kQuotientDigits - 1; i >= 0; --i) {
        const std::uint64_t part = remainder << 32 | (i >= 2 ? magnitude[i - 2] : 0u);
        quotient[i] = std::uint32_t(part / count);
        remainder = part % count;
    }
    // Take the leading 53 bits and fold all that follows into the last one: round to odd, as above.
    int top = kQuotientDigits - 1;
    while (quotient[top] == 0) {
        --top; // ends at 1 or above: the quotient is at least 2^64 / 2^31
    }
    const int shift = __clz(int(quotient[top]));
    const std::uint32_t third = top >= 2 ? quotient[top - 2] : 0;
    std::uint64_t leading = std::uint64_t(quotient[top]) << 32 | quotient[top - 1];
    leading <<= shift;
    leading |= std::uint64_t(third) << shift >> 32;
    bool inexact = remainder != 0 || (leading & 0x7FF) != 0 || std::uint32_t(third << shift) != 0;
    for (int i = 0; i < top - 2; ++i) {
        inexact = inexact || quotient[i] != 0;
    }
    const std::uint64_t mantissa = leading >> 11 | (inexact ? 1 : 0);
    const int exponent = 32 * (top - 1) - shift + 11 - 213; // of the mantissa's last bit
    const std::uint64_t bits = std::uint64_t(negative) << 63 | std::uint64_t(exponent + 52 + 1023) << 52 |
                               (mantissa & ((1ull << 52) - 1));
    return __double2float_rn(__longlong_as_double((long long)(bits)));
}

// A sum under way: exact, and small enough for registers. `spill(double)` receives what it can hold no longer.
struct RunningSum {
    double sum = 0.0;
    std::uint32_t flags = 0;

    template <typename Spill> __device__ void add(float value, const Spill &spill) {
        const std::uint32_t flag = special_flag(value);
        if (flag != 0) {
            flags |= flag;
        } else {
            add_finite(double(value), spill);
        }
    }

    template <typename Spill> __device__ void merge(const RunningSum &other, const Spill &spill) {
        flags |= other.flags;
        add_finite(other.sum, spill);
    }

  private:
    template <typename Spill> __device__ void add_finite(double value, const Spill &spill) {
        double total;
        if (!add_exactly(sum, value, total)) {
            spill(sum);
            total = value;
        }
        sum = total;
    }
};

} // namespace robocache
