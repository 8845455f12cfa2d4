//! Machines as the plan sees them.

use std::collections::BTreeMap;

use validation::machine::{Gpu, Machine};

/// No GPU, no libraries, no data.
pub(crate) fn laptop() -> Machine {
    Machine {
        cpus: 2,
        gpus: Vec::new(),
        cuda_missing: Some("libcuda.so.1 is not installed".to_owned()),
        cupti: Err("libcupti.so.13 is not installed".to_owned()),
        nccl: Err("libnccl.so.2 is not installed".to_owned()),
        datasets: BTreeMap::new(),
        goldens: BTreeMap::new(),
        subject: None,
        launched: None,
    }
}

/// One GPU with its libraries, and these recorded inputs.
pub(crate) fn workstation(datasets: &[&str]) -> Machine {
    let gpu = Gpu {
        name: "NVIDIA H200".to_owned(),
        uuid: "GPU-0".to_owned(),
        compute_capability: "9.0".to_owned(),
        memory_bytes: 140 << 30,
    };
    Machine {
        cpus: 16,
        gpus: vec![gpu],
        cuda_missing: None,
        cupti: Ok("libcupti.so.13".to_owned()),
        nccl: Ok("libnccl.so.2".to_owned()),
        datasets: datasets.iter().map(|&name| (name.to_owned(), None)).collect(),
        goldens: BTreeMap::new(),
        subject: None,
        launched: None,
    }
}
