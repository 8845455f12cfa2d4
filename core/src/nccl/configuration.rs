//! `NCCL_CONFIG_INITIALIZER`, which is a macro in `nccl.h` and so in no binding.

use std::ptr;

use cudarc::nccl::sys::ncclConfig_t;

/// `NCCL_API_MAGIC`.
const MAGIC: u32 = 0xCAFE_BEEF;

/// `NCCL_CONFIG_UNDEF_INT`: the library decides.
const UNDEFINED: i32 = i32::MIN;

/// A configuration in which only one thing is decided: that no call waits for other ranks.
///
/// The structure is that of NCCL 2.30, whatever library was loaded. Every version so far has only appended fields to the
/// one before, and a library copies as many bytes as its own structure has, or fewer if `size` says so: an older one
/// ignores what it does not know. `version` is not that of the headers but that of the loaded library. It says which
/// fields the caller knew, and a library sets those that came later to their defaults. A number from the future of a
/// library would claim that it can be understood, and a newer library could take it for a reason to refuse; its own
/// number is true, because all fields that it can know are undefined or `blocking`, which is older than any version used.
pub(super) fn configuration(library_version: i32) -> ncclConfig_t {
    ncclConfig_t {
        size: size_of::<ncclConfig_t>(),
        magic: MAGIC,
        version: library_version.unsigned_abs(),
        blocking: 0,
        cgaClusterSize: UNDEFINED,
        minCTAs: UNDEFINED,
        maxCTAs: UNDEFINED,
        netName: ptr::null(),
        splitShare: UNDEFINED,
        trafficClass: UNDEFINED,
        commName: ptr::null(),
        collnetEnable: UNDEFINED,
        CTAPolicy: UNDEFINED,
        shrinkShare: UNDEFINED,
        nvlsCTAs: UNDEFINED,
        nChannelsPerNetPeer: UNDEFINED,
        nvlinkCentricSched: UNDEFINED,
        graphUsageMode: UNDEFINED,
        numRmaCtx: UNDEFINED,
        maxP2pPeers: UNDEFINED,
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn only_blocking_is_decided_and_the_version_is_the_librarys() {
        let configuration = configuration(22_803);
        assert_eq!((configuration.magic, configuration.version, configuration.blocking), (0xCAFE_BEEF, 22_803, 0));
        assert_eq!(configuration.size, size_of::<ncclConfig_t>());
        let undefined = [
            configuration.cgaClusterSize,
            configuration.minCTAs,
            configuration.maxCTAs,
            configuration.splitShare,
            configuration.trafficClass,
            configuration.collnetEnable,
            configuration.CTAPolicy,
            configuration.shrinkShare,
            configuration.nvlsCTAs,
            configuration.nChannelsPerNetPeer,
            configuration.nvlinkCentricSched,
            configuration.graphUsageMode,
            configuration.numRmaCtx,
            configuration.maxP2pPeers,
        ];
        assert!(undefined.iter().all(|&value| value == i32::MIN));
        assert!(configuration.netName.is_null() && configuration.commName.is_null());
    }

    /// The layout of `nccl.h` of 2.14, 2.17, 2.18, 2.25, 2.27 and 2.28, in which each only appended to the one before. The
    /// first three fields and their order are what every library reads first.
    #[test]
    fn fields_lie_where_every_version_has_them() {
        assert_eq!(offset_of!(ncclConfig_t, size), 0);
        assert_eq!(offset_of!(ncclConfig_t, magic), 8);
        assert_eq!(offset_of!(ncclConfig_t, version), 12);
        assert_eq!(offset_of!(ncclConfig_t, blocking), 16);
        assert_eq!(offset_of!(ncclConfig_t, cgaClusterSize), 20);
        assert_eq!(offset_of!(ncclConfig_t, netName), 32);
        assert_eq!(offset_of!(ncclConfig_t, splitShare), 40);
        assert_eq!(offset_of!(ncclConfig_t, trafficClass), 44);
        assert_eq!(offset_of!(ncclConfig_t, commName), 48);
        assert_eq!(offset_of!(ncclConfig_t, nChannelsPerNetPeer), 72);
    }
}
