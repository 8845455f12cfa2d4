// Copies memory as fast as it goes: the yardstick of benchmarks. A copy node of a graph would be slower.
#include "common.cuh"

namespace robocache {

// Words that one thread has on their way.
constexpr unsigned kWordsInFlight = 4;

} // namespace robocache

// `words` is the length of both buffers in units of 16 bytes, to which both are aligned.
ROBOCACHE_KERNEL(32) copy_words(const uint4 *source, uint4 *destination, std::uint64_t words) {
    using robocache::kWordsInFlight;
    robocache::allow_next_kernel();
    robocache::wait_for_previous_kernel();
    const std::uint64_t step = std::uint64_t(blockDim.x) * kWordsInFlight;
    for (std::uint64_t first = blockIdx.x * step + threadIdx.x; first < words; first += gridDim.x * step) {
        uint4 moved[kWordsInFlight];
#pragma unroll
        for (unsigned i = 0; i < kWordsInFlight; ++i) {
            // Past the end the last word is read once more, and not written.
            moved[i] = __ldg(source + min(first + i * blockDim.x, words - 1));
        }
#pragma unroll
        for (unsigned i = 0; i < kWordsInFlight; ++i) {
            if (first + i * blockDim.x < words) {
                __stcs(destination + first + i * blockDim.x, moved[i]);
            }
        }
    }
}
