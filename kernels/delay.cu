// Does nothing for a given time: the slow-down that a comparison of two programs must be able to see.
#include "common.cuh"

// One thread is enough. `%globaltimer` counts nanoseconds; it advances in steps of up to about a microsecond, so that the
// delay is off by as much at the most.
ROBOCACHE_KERNEL(32) delay_nanoseconds(std::uint64_t nanoseconds) {
    std::uint64_t begin;
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(begin));
    std::uint64_t now = begin;
    while (now - begin < nanoseconds) {
        asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
    }
}
