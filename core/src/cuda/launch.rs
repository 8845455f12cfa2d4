//! How a kernel is launched.

use cudarc::driver::sys::{CUlaunchAttribute, CUlaunchAttributeID, CUlaunchAttributeValue};

use super::Context;

/// The shape of a launch: a one-dimensional grid of one-dimensional blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks of the grid, at least 1.
    pub blocks: u32,
    /// Threads of a block, between 1 and 1024.
    pub threads: u32,
    /// Dynamic shared memory of a block, at most 48 KiB together with what the kernel declares.
    pub shared_bytes: u32,
    /// When the kernel may start.
    pub start: Start,
}

impl Launch {
    /// A launch without dynamic shared memory that starts behind all that was enqueued before it.
    pub const fn plain(blocks: u32, threads: u32) -> Self {
        Self { blocks, threads, shared_bytes: 0, start: Start::Behind }
    }
}

/// When a kernel may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// When all that was enqueued before it on its stream is done.
    Behind,
    /// While the kernel before it on its stream still runs, if that one and the GPU allow it (programmatic dependent
    /// launch, compute capability 9.0): its blocks take their places early, and wait.
    Early,
    /// When all its blocks can be resident at once, so that they can wait for one another (cooperative launch), and as
    /// early as that allows.
    TogetherEarly,
}

impl Start {
    /// The driver's attributes for it on this GPU.
    pub(super) fn attributes(self, context: &Context) -> Vec<CUlaunchAttribute> {
        let (early, together) = match self {
            Self::Behind => (false, false),
            Self::Early => (true, false),
            Self::TogetherEarly => (true, true),
        };
        let mut attributes = Vec::new();
        if early && context.properties().compute_capability >= (9, 0) {
            let mut value = CUlaunchAttributeValue { pad: [0; 64] };
            value.programmaticStreamSerializationAllowed = 1;
            let id = CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
            attributes.push(CUlaunchAttribute { id, pad: [0; 4], value });
        }
        if together {
            let mut value = CUlaunchAttributeValue { pad: [0; 64] };
            value.cooperative = 1;
            let id = CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
            attributes.push(CUlaunchAttribute { id, pad: [0; 4], value });
        }
        attributes
    }
}
