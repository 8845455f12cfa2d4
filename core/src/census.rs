//! What one call of an operator does to a GPU: facts, counted in independent ways and not judged here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One count of what a call does. Nothing is left out: what has no list of its own is among [`Census::others`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// The kernels: in the order in which they began, or in which a graph lists them.
    pub kernels: Vec<KernelLaunch>,
    /// The bytes of each copy.
    pub copies: Vec<u64>,
    /// The bytes of each memset.
    pub memsets: Vec<u64>,
    /// What allocates or frees memory: the names of API calls, or the types of graph nodes.
    pub allocations: Vec<String>,
    /// API calls that wait for the GPU, or ask how far it is.
    pub synchronisations: Vec<String>,
    /// Whatever else a call should not do while a robot waits: host functions, code that is loaded, nodes of other types.
    pub others: Vec<String>,
}

/// One launch of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KernelLaunch {
    /// Its symbol.
    pub name: String,
    /// Blocks in x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y and z.
    pub block: [u32; 3],
    /// Shared memory of a block in bytes that the launch asks for.
    pub dynamic_shared_bytes: u32,
    /// Shared memory of a block in bytes that the kernel declares.
    pub static_shared_bytes: u32,
    /// Registers of a thread.
    pub registers: u32,
}

/// One call of an operator, counted three times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCensus {
    /// What CUPTI records of a call that is enqueued on a stream.
    pub eager: Census,
    /// The same call as a graph.
    pub graph: GraphCensus,
}

/// A call that was captured into a graph, or could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "capture")]
pub enum GraphCensus {
    /// It was captured.
    Captured {
        /// The nodes of the graph.
        nodes: Box<Census>,
        /// What CUPTI records of one replay.
        replay: Box<Census>,
    },
    /// The driver refused: the call does something that no graph can hold.
    Refused {
        /// The driver's error.
        reason: String,
    },
}

impl KernelLaunch {
    /// Whether `other` launches the same kernel in the same geometry. Registers and static shared memory follow from the
    /// kernel, and the driver and CUPTI may count what they reserve for themselves differently.
    pub fn is_same_launch(&self, other: &Self) -> bool {
        let key = |launch: &Self| (launch.grid, launch.block, launch.dynamic_shared_bytes);
        self.name == other.name && key(self) == key(other)
    }
}

impl fmt::Display for KernelLaunch {
    /// As CUDA C++ writes a launch, such as `fuse_f32_f32<<<66, 256>>>`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, grid, block, dynamic_shared_bytes, .. } = self;
        write!(formatter, "{name}<<<{}, {}", Extent(grid), Extent(block))?;
        if *dynamic_shared_bytes > 0 {
            write!(formatter, ", {dynamic_shared_bytes}")?;
        }
        formatter.write_str(">>>")
    }
}

struct Extent<'a>(&'a [u32; 3]);

impl fmt::Display for Extent<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [x, 1, 1] => write!(formatter, "{x}"),
            [x, y, z] => write!(formatter, "({x}, {y}, {z})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(grid: [u32; 3], dynamic_shared_bytes: u32) -> KernelLaunch {
        let name = "fuse_f32_f32".to_owned();
        KernelLaunch { name, grid, block: [256, 1, 1], dynamic_shared_bytes, static_shared_bytes: 4096, registers: 32 }
    }

    #[test]
    fn launches_are_written_as_in_source_code() {
        assert_eq!(launch([66, 1, 1], 0).to_string(), "fuse_f32_f32<<<66, 256>>>");
        assert_eq!(launch([66, 2, 1], 48).to_string(), "fuse_f32_f32<<<(66, 2, 1), 256, 48>>>");
    }

    #[test]
    fn geometry_makes_another_launch_and_registers_do_not() {
        let plain = launch([66, 1, 1], 0);
        assert!(plain.is_same_launch(&KernelLaunch { registers: 40, static_shared_bytes: 5120, ..plain.clone() }));
        assert!(!plain.is_same_launch(&launch([67, 1, 1], 0)));
        assert!(!plain.is_same_launch(&launch([66, 1, 1], 16)));
    }
}
