// Counts differing words of two buffers where they lie, so that thousands of repeats need no copy to the host.
#include "common.cuh"

// `words` is the length of both buffers in units of 16 bytes, to which both are aligned. Adds to `*differing`.
ROBOCACHE_KERNEL(32) count_differences(const uint4 *actual, const uint4 *expected, std::uint64_t words,
                                   unsigned long long *differing) {
    unsigned long long found = 0;
    for (std::uint64_t i = robocache::first_item(); i < words; i += robocache::item_stride()) {
        const uint4 left = actual[i];
        const uint4 right = expected[i];
        found += left.x != right.x || left.y != right.y || left.z != right.z || left.w != right.w ? 1 : 0;
    }
    // Differences are rare: an atomic for each thread that found some costs nothing where there are none.
    if (found != 0) {
        atomicAdd(differing, found);
    }
}
