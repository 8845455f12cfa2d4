// Data of which every element is known beforehand: what ranks send to one another, and what they must have received. The
// values are those of `robocache_core::collective::Pattern`, bit for bit; a test compares them.
#include "common.cuh"

namespace robocache {

// Which elements a buffer has, and how contributions are reduced: the numbers that `core/src/cuda/pattern.rs` passes.
enum PatternOrigin : std::uint64_t { kOfRank = 0, kOfBlocks = 1, kReduced = 2 };
enum PatternReduction : std::uint64_t { kMoved = 0, kSum = 1, kProd = 2, kMin = 3, kMax = 4, kAvg = 5 };

// All integers up to it are exact in bf16, less one.
constexpr std::int64_t kExactIntegers = 255;
// How many ranks may contribute a factor that is not 1 or -1.
constexpr std::uint64_t kRanksWithFactors = 8;

// A pattern and an origin, as the launcher passes them.
struct Pattern {
    std::uint64_t seed, world, reduction, origin;
    std::uint64_t rank;  // of kOfRank
    std::uint64_t first; // element
    std::uint64_t block; // of kOfBlocks

    // Random bits of a place: the finaliser of MurmurHash3 over seed, rank and index.
    __device__ std::uint64_t noise(std::uint64_t of_rank, std::uint64_t index) const {
        std::uint64_t bits = seed ^ (index * 0x9E3779B97F4A7C15u) ^ ((of_rank + 1) << 40);
        bits ^= bits >> 33;
        bits *= 0xFF51AFD7ED558CCDu;
        bits ^= bits >> 33;
        bits *= 0xC4CEB9FE1A85EC53u;
        return bits ^ (bits >> 33);
    }

    __device__ static std::int64_t within(std::uint64_t noise, std::int64_t limit) {
        return std::int64_t(noise % (2 * std::uint64_t(limit) + 1)) - limit;
    }

    // What a rank contributes to a reduction that is not kMoved.
    __device__ std::int64_t contribution(std::uint64_t how, std::uint64_t of_rank, std::uint64_t index) const {
        const std::uint64_t bits = noise(of_rank, index);
        const std::int64_t ranks = std::int64_t(world);
        switch (how) {
        case kSum:
            return within(bits, max(std::int64_t(1), min(std::int64_t(7), kExactIntegers / ranks)));
        case kProd: {
            const std::int64_t magnitude = (bits & 2) != 0 && of_rank < kRanksWithFactors ? 2 : 1;
            return (bits & 1) != 0 ? -magnitude : magnitude;
        }
        case kAvg: {
            // Of ranks whose number has no exact reciprocal only one contributes.
            const bool contributes = (world & (world - 1)) == 0 || noise(world, index) % world == of_rank;
            const std::uint64_t third = bits % 3;
            return !contributes || third == 0 ? 0 : third == 1 ? 9 * ranks : -9 * ranks;
        }
        default: // kMin and kMax
            return within(bits, kExactIntegers / 2);
        }
    }

    __device__ std::int64_t reduced(std::uint64_t index) const {
        const std::uint64_t how = reduction == kMoved ? std::uint64_t(kSum) : reduction;
        std::int64_t result = contribution(how, 0, index);
        for (std::uint64_t other = 1; other < world; ++other) {
            const std::int64_t value = contribution(how, other, index);
            switch (how) {
            case kProd: result *= value; break;
            case kMin: result = min(result, value); break;
            case kMax: result = max(result, value); break;
            default: result += value; // kSum and kAvg
            }
        }
        return how == kAvg ? result / std::int64_t(world) : result;
    }

    template <typename Dtype> __device__ typename Dtype::Bits element(std::uint64_t of_rank, std::uint64_t index) const {
        return reduction == kMoved ? typename Dtype::Bits(noise(of_rank, index))
                                   : Dtype::encode(contribution(reduction, of_rank, index));
    }

    // The bits of element `index` of the buffer.
    template <typename Dtype> __device__ typename Dtype::Bits bits(std::uint64_t index) const {
        switch (origin) {
        case kOfRank:
            return element<Dtype>(rank, first + index);
        case kOfBlocks: {
            const Division place(index, block);
            return element<Dtype>(place.quotient, first + place.remainder);
        }
        default: // kReduced
            return Dtype::encode(reduced(first + index));
        }
    }
};

// Small integers in every dtype, exactly.
template <typename Dtype> struct EncodedFloat {
    using Bits = typename Dtype::Bits;
    __device__ static Bits encode(std::int64_t value) { return Dtype::narrow(float(value)); }
};

template <typename Integer> struct EncodedInteger {
    using Bits = Integer;
    __device__ static Bits encode(std::int64_t value) { return Bits(value); }
};

template <typename Dtype>
__device__ void fill_pattern(typename Dtype::Bits *buffer, std::uint64_t elements, const Pattern &pattern) {
    for (std::uint64_t i = first_item(); i < elements; i += item_stride()) {
        buffer[i] = pattern.bits<Dtype>(i);
    }
}

template <typename Dtype>
__device__ void check_pattern(const typename Dtype::Bits *buffer, std::uint64_t elements, const Pattern &pattern,
                              unsigned long long *found) {
    unsigned long long differing = 0;
    unsigned long long first_differing = ~0ull;
    for (std::uint64_t i = first_item(); i < elements; i += item_stride()) {
        if (buffer[i] != pattern.bits<Dtype>(i)) {
            differing += 1;
            first_differing = min(first_differing, static_cast<unsigned long long>(i));
        }
    }
    // Differences are rare: atomics for each thread that found some cost nothing where there are none.
    if (differing != 0) {
        atomicAdd(&found[0], differing);
        atomicMin(&found[1], first_differing);
    }
}

} // namespace robocache

// `buffer` is aligned to its elements and no more.
//
// The check adds the number of elements that differ to `found[0]`, and lowers `found[1]` to the index of the first.
#define ROBOCACHE_PATTERN(NAME, DTYPE)                                                                                 \
    ROBOCACHE_KERNEL(64) pattern_fill_##NAME(robocache::DTYPE::Bits *buffer, std::uint64_t elements,                   \
                                             robocache::Pattern pattern) {                                             \
        robocache::fill_pattern<robocache::DTYPE>(buffer, elements, pattern);                                          \
    }                                                                                                                  \
    ROBOCACHE_KERNEL(64) pattern_check_##NAME(const robocache::DTYPE::Bits *buffer, std::uint64_t elements,            \
                                              robocache::Pattern pattern, unsigned long long *found) {                 \
        robocache::check_pattern<robocache::DTYPE>(buffer, elements, pattern, found);                                  \
    }

ROBOCACHE_PATTERN(f32, EncodedFloat<robocache::F32>)
ROBOCACHE_PATTERN(f16, EncodedFloat<robocache::F16>)
ROBOCACHE_PATTERN(bf16, EncodedFloat<robocache::Bf16>)
ROBOCACHE_PATTERN(i32, EncodedInteger<std::uint32_t>)
ROBOCACHE_PATTERN(i64, EncodedInteger<std::uint64_t>)

#undef ROBOCACHE_PATTERN
