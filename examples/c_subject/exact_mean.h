/* The correctly rounded mean of floats: an exact sum, one division, one rounding. So neither the order of the points nor
 * any grouping of them can change a bit. */
#ifndef C_SUBJECT_EXACT_MEAN_H
#define C_SUBJECT_EXACT_MEAN_H

#include "numbers.h"

/* The sum as a number in base 2^32 that counts units of 2^-181. The smallest float is 2^-149; the digit below it is for
 * the fraction that the division leaves. 2^31 floats below 2^128 stay below 2^159: 340 bits, 11 digits. The twelfth
 * takes what spills. Digits are signed and absorb carries: 2^31 times less than 2^32 fits an int64_t. */
enum { digit_count = 12, bits_below_unit = 32 };

struct exact_sum {
    int64_t digits[digit_count];
    int64_t count;
    int has_nan;
    int has_positive_infinity;
    int has_negative_infinity;
};

static inline void exact_sum_add(struct exact_sum *sum, float value) {
    uint32_t bits = bits_of_float(value);
    uint32_t exponent = bits >> 23 & 0xFFu;
    uint32_t fraction = bits & 0x7FFFFFu;
    int is_negative = bits >> 31;
    sum->count += 1;
    if (exponent == 0xFFu) {
        sum->has_nan |= fraction != 0;
        sum->has_positive_infinity |= fraction == 0 && !is_negative;
        sum->has_negative_infinity |= fraction == 0 && is_negative;
        return;
    }
    /* Subnormals have the exponent of the smallest normals, and no leading one. */
    uint64_t significand = exponent ? fraction | 0x800000u : fraction;
    uint32_t position = (exponent ? exponent - 1u : 0u) + bits_below_unit;
    uint64_t shifted = significand << position % 32u;
    int64_t low = (int64_t)(shifted & 0xFFFFFFFFu);
    int64_t high = (int64_t)(shifted >> 32);
    sum->digits[position / 32u] += is_negative ? -low : low;
    sum->digits[position / 32u + 1u] += is_negative ? -high : high;
}

/* Brings all digits into [0, 2^32) but for the sign, which is returned. */
static inline int exact_sum_normalise(int64_t digits[digit_count]) {
    int64_t carry = 0;
    for (int i = 0; i < digit_count; ++i) {
        int64_t digit = digits[i] + carry;
        int64_t low = digit & 0xFFFFFFFF;
        carry = (digit - low) / ((int64_t)1 << 32);
        digits[i] = low;
    }
    if (carry >= 0) {
        return 0;
    }
    /* Negative: the digits hold the complement. */
    int64_t borrow = 1;
    for (int i = 0; i < digit_count; ++i) {
        int64_t digit = (digits[i] ^ 0xFFFFFFFF) + borrow;
        digits[i] = digit & 0xFFFFFFFF;
        borrow = digit >> 32;
    }
    return 1;
}

static inline int bit_at(const int64_t digits[digit_count], int position) {
    return (int)(digits[position / 32] >> position % 32 & 1);
}

static inline float exact_sum_mean(const struct exact_sum *sum) {
    if (sum->has_nan || (sum->has_positive_infinity && sum->has_negative_infinity)) {
        return float_of_bits(canonical_nan_f32);
    }
    if (sum->has_positive_infinity) {
        return INFINITY;
    }
    if (sum->has_negative_infinity) {
        return -INFINITY;
    }
    int64_t digits[digit_count];
    memcpy(digits, sum->digits, sizeof digits);
    uint32_t sign = exact_sum_normalise(digits) ? 0x80000000u : 0u;

    /* The quotient takes the place of the sum. */
    uint64_t remainder = 0;
    for (int i = digit_count - 1; i >= 0; --i) {
        uint64_t dividend = remainder << 32 | (uint64_t)digits[i];
        digits[i] = (int64_t)(dividend / (uint64_t)sum->count);
        remainder = dividend % (uint64_t)sum->count;
    }

    int top = 32 * digit_count - 1;
    while (top >= 0 && !bit_at(digits, top)) {
        --top;
    }
    if (top < 0) {
        return 0.0f; /* an exact zero, which is +0: fewer than 2^31 floats leave no quotient below 2^-180 */
    }
    /* The last bit kept: 24 of them, but none below the smallest subnormal. */
    int last = top - 23 > bits_below_unit ? top - 23 : bits_below_unit;
    uint32_t significand = 0;
    for (int position = top; position >= last; --position) {
        significand = significand << 1 | (uint32_t)bit_at(digits, position);
    }
    int half = bit_at(digits, last - 1);
    int rest = remainder != 0;
    for (int position = last - 2; position >= 0; --position) {
        rest |= bit_at(digits, position);
    }
    if (half && (rest || (significand & 1u))) {
        significand += 1u;
    }
    /* The encoding is monotone: a significand of 2^23 and more carries into the exponent by itself. */
    uint32_t exponent = (uint32_t)(last - bits_below_unit);
    return float_of_bits(sign | ((exponent << 23) + significand));
}

#endif
