//! What an API call means for whoever waits for it, by its name.

/// What a call of the driver or the runtime is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// It allocates, frees, maps or registers memory.
    Allocates,
    /// It waits for the GPU, or asks how far it is.
    Synchronises,
    /// It calls back into the host, or loads code.
    Other,
    /// It enqueues work, which has records of its own, or costs the caller nothing but time.
    Harmless,
}

/// Beginnings of names, without `cu` or `cuda`, of calls that manage memory.
const MEMORY: [&str; 19] = [
    "MemAlloc",
    "MemFree",
    "MemHost",
    "MemCreate",
    "MemRelease",
    "MemMap",
    "MemUnmap",
    "MemAddress",
    "MemPoolCreate",
    "MemPoolDestroy",
    "MemPoolTrim",
    "Malloc",
    "Free",
    "Host",
    "Array",
    "MipmappedArray",
    "64MemAlloc",
    "64MemFree",
    "64MemHost",
];

/// Beginnings of names of calls that load code or call back into the host.
const OTHERS: [&str; 5] = ["ModuleLoad", "ModuleUnload", "LibraryLoad", "LibraryUnload", "LaunchHostFunc"];

impl Call {
    /// Of a name as CUPTI gives it, such as `cuMemAlloc_v2` or `cudaMemcpy_v3020`.
    pub(super) fn of(name: &str) -> Self {
        let rest = name.strip_prefix("cuda").or_else(|| name.strip_prefix("cu")).unwrap_or(name);
        let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| rest.starts_with(beginning));
        // A copy that is not asynchronous returns when the GPU is done with it, and with all work before it.
        let blocking_copy = rest.starts_with("Memcpy") && !rest.contains("Async");
        let asks = rest.starts_with("StreamQuery") || rest.starts_with("EventQuery");
        if rest.contains("Synchronize") || asks || blocking_copy {
            Self::Synchronises
        } else if begins(&MEMORY) && !rest.contains("Get") {
            Self::Allocates
        } else if begins(&OTHERS) {
            Self::Other
        } else {
            Self::Harmless
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_call_is_known_by_its_names() {
        for (call, names) in [
            (
                Call::Allocates,
                [
                    "cuMemAlloc_v2",
                    "cuMemFreeAsync_ptsz",
                    "cuMemHostAlloc",
                    "cuMemAllocFromPoolAsync",
                    "cudaMalloc_v3020",
                    "cudaFreeHost_v3020",
                ],
            ),
            (
                Call::Synchronises,
                [
                    "cuStreamSynchronize",
                    "cuCtxSynchronize",
                    "cuEventQuery",
                    "cuMemcpyDtoH_v2",
                    "cudaMemcpy_v3020",
                    "cudaDeviceSynchronize_v3020",
                ],
            ),
            (
                Call::Other,
                [
                    "cuModuleLoadData",
                    "cuModuleLoadFatBinary",
                    "cuModuleUnload",
                    "cuLibraryLoadData",
                    "cuLaunchHostFunc",
                    "cudaLaunchHostFunc_v10000",
                ],
            ),
            (
                Call::Harmless,
                [
                    "cuLaunchKernel",
                    "cuCtxSetCurrent",
                    "cuMemcpyDtoDAsync_v2",
                    "cuMemsetD8Async",
                    "cuGraphLaunch",
                    "cuMemHostGetDevicePointer_v2",
                ],
            ),
        ] {
            for name in names {
                assert_eq!(Call::of(name), call, "{name}");
            }
        }
    }
}
