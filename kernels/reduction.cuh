// How the features of one voxel become one value: `Mean` and `Maximum`.
//
// A reduction offers two routes to the same bits. `Serial` is what one thread holds for one feature of a light voxel,
// with a `Reserve` behind it.
// For heavy voxels, warps reduce pieces with `Running`, and `publish` adds the pieces into accumulator words in global
// memory by integer atomics, which `finish` reads in a later phase.
#pragma once

#include "common.cuh"
#include "exact_mean.cuh"

namespace robocache {

using AccumulatorWord = unsigned long long;

struct Mean {
    // Elements that one thread should reduce side by side: exact sums take many registers.
    static constexpr int kMostLanes = 1;
    // Digits, then flags.
    static constexpr int kWords = kDigits + 1;

    // The mean of one value: itself, except that a mean of zero is +0.
    __device__ static float of_one(float value) {
        return value == 0.0f ? 0.0f : __uint_as_float(F32::copy(__float_as_uint(value)));
    }

    // Where a thread keeps what its running sum cannot hold. Rarely touched, so it lives in local memory and its code
    // out of line: apart from `Serial`, whose address must not escape if it is to stay in registers.
    class Reserve {
      public:
        __device__ __noinline__ void clear() {
            for (int i = 0; i < kDigits; ++i) {
                digits_[i] = 0;
            }
        }
        __device__ __noinline__ void add(double sum) {
            split_into_digits(sum, [this](int index, std::int64_t amount) { digits_[index] += amount; });
        }
        __device__ __noinline__ float finish(std::uint32_t count) const { return mean_of_digits(digits_, count); }

      private:
        std::int64_t digits_[kDigits];
    };

    class Serial {
      public:
        __device__ void add(float value, Reserve &reserve) {
            running_.add(value, [this, &reserve](double sum) { spill(sum, reserve); });
        }

        __device__ float finish(std::uint32_t count, Reserve &reserve) {
            if (running_.flags != 0) {
                return special_mean(running_.flags);
            }
            if (!spilled_) {
                return mean_of_sum(running_.sum, count);
            }
            reserve.add(running_.sum);
            return reserve.finish(count);
        }

      private:
        __device__ void spill(double sum, Reserve &reserve) {
            if (!spilled_) {
                reserve.clear();
                spilled_ = true;
            }
            reserve.add(sum);
        }

        RunningSum running_;
        bool spilled_ = false;
    };

    struct Running {
        RunningSum sum;

        __device__ void add(float value, AccumulatorWord *words) { sum.add(value, Spill{words}); }

        // Takes in the value that the lane `offset` above holds. All lanes of the warp call it together, but only the
        // lower ones of the tree may merge: a lane that is out of the tree would spill its values a second time.
        __device__ void merge_from_above(const Warp &warp, unsigned offset, AccumulatorWord *words) {
            RunningSum other;
            other.sum = __shfl_down_sync(warp.mask, sum.sum, offset);
            other.flags = __shfl_down_sync(warp.mask, sum.flags, offset);
            if (warp.lane < offset && warp.lane + offset < warp.lanes) {
                sum.merge(other, Spill{words});
            }
        }

        __device__ void publish(AccumulatorWord *words) const {
            Spill{words}(sum.sum);
            if (sum.flags != 0) {
                atomicOr(words + kDigits, AccumulatorWord(sum.flags));
            }
        }
    };

    __device__ static float finish(const AccumulatorWord *words, std::uint32_t count) {
        const std::uint32_t flags = std::uint32_t(words[kDigits]);
        if (flags != 0) {
            return special_mean(flags);
        }
        std::int64_t digits[kDigits];
        for (int i = 0; i < kDigits; ++i) {
            digits[i] = std::int64_t(words[i]);
        }
        return mean_of_digits(digits, count);
    }

  private:
    // Adds an exact partial sum to shared digits. Unsigned wrap-around is two's complement addition.
    struct Spill {
        AccumulatorWord *words;

        __device__ void operator()(double sum) const {
            AccumulatorWord *const target = words;
            split_into_digits(sum, [target](int index, std::int64_t amount) {
                atomicAdd(target + index, AccumulatorWord(amount));
            });
        }
    };
};

// IEEE 754-2019 `maximum`: NaN wins, -0 < +0. Values are compared through a key in unsigned order; key 0 is below
// every value and stands for "none yet", which is also how the accumulator words start.
struct Maximum {
    static constexpr int kMostLanes = 4;
    static constexpr int kWords = 1;

    __device__ static float of_one(float value) { return __uint_as_float(F32::copy(__float_as_uint(value))); }

    struct Reserve {};

    class Serial {
      public:
        __device__ void add(float value, Reserve &) { key_ = max(key_, key_of(value)); }
        __device__ float finish(std::uint32_t, Reserve &) const { return value_of(key_); }

      private:
        std::uint32_t key_ = 0;
    };

    struct Running {
        std::uint32_t key = 0;

        __device__ void add(float value, AccumulatorWord *) { key = max(key, key_of(value)); }

        __device__ void merge_from_above(const Warp &warp, unsigned offset, AccumulatorWord *) {
            const std::uint32_t other = __shfl_down_sync(warp.mask, key, offset);
            if (warp.lane < offset && warp.lane + offset < warp.lanes) {
                key = max(key, other);
            }
        }

        __device__ void publish(AccumulatorWord *words) const { atomicMax(words, AccumulatorWord(key)); }
    };

    __device__ static float finish(const AccumulatorWord *words, std::uint32_t) {
        return value_of(std::uint32_t(words[0]));
    }

  private:
    static constexpr std::uint32_t kNanKey = 0xFFFFFFFFu;

    __device__ static std::uint32_t key_of(float value) {
        const std::uint32_t bits = __float_as_uint(value);
        if (F32::is_nan(bits)) {
            return kNanKey;
        }
        return bits >> 31 ? ~bits : bits | 0x80000000u;
    }

    __device__ static float value_of(std::uint32_t key) {
        if (key == kNanKey) {
            return __uint_as_float(F32::kCanonicalNan);
        }
        return __uint_as_float(key >> 31 ? key & 0x7FFFFFFFu : ~key);
    }
};

} // namespace robocache
