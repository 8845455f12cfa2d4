//! What a call does to a GPU is counted, and what it hides is found.
//!
//! This is a program of its own, because CUPTI records the whole process.

mod arguments;

use std::sync::{Mutex, MutexGuard, PoisonError};

use arguments::{fuse, resample, voxelize};
use robocache_core::{
    census::{CallCensus, Census, GraphCensus, KernelLaunch},
    cpu::CpuOptions,
    cuda::{Call, CudaError, CudaProblem, CudaSession, Device, DeviceBuffer},
    distribution::Distribution,
    operator::{InvalidInput, Problem, RunError},
    operators::registry,
    parameters::Parameters,
    random::Seed,
    reference::Reference,
    tensor::{HostTensor, TensorSpec},
};

/// One test uses the GPU at a time: what another does meanwhile would be counted.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn census(device: &Device, problem: &dyn Problem) -> CallCensus {
    let inputs = problem.generate(Distribution::Uniform, Seed::root(5));
    CudaSession::new(device, problem, &inputs).unwrap().census().unwrap_or_else(|error| panic!("{error}"))
}

fn problems() -> Vec<(&'static str, Parameters)> {
    let mut problems = vec![
        ("resample", resample([3, 37, 8, 61], "f32")),
        ("resample", resample([2, 1100, 3, 40], "i64")),
        ("fuse", fuse(5, 41, &[[30, 7], [1, 1], [90, 4]], "f32")),
    ];
    for mode in ["count", "occupancy", "mean", "max"] {
        problems.push(("voxelize", voxelize(mode, 20_000, 4, [2, 1, 3])));
        problems.push(("voxelize", voxelize(mode, 3001, 3, [11, 7, 5])));
    }
    problems
}

fn same_launches(these: &Census, those: &Census) -> bool {
    let sorted = |census: &Census| {
        let mut kernels = census.kernels.clone();
        kernels.sort();
        kernels
    };
    let (these, those) = (sorted(these), sorted(those));
    these.len() == those.len() && these.iter().zip(&those).all(|(this, that)| KernelLaunch::is_same_launch(this, that))
}

#[test]
#[ignore = "needs an NVIDIA GPU and CUPTI"]
fn all_counts_of_a_call_agree_and_hold_nothing_but_the_operators_kernels() {
    let _alone = alone();
    let device = Device::open(0).unwrap();
    let registry = registry();
    for (name, parameters) in problems() {
        let operator = registry.get(name).unwrap();
        for &dtype in operator.dtypes() {
            let Ok(problem) = operator.problem(dtype, &parameters) else { continue };
            let case = format!("{name} {dtype} {}", problem.name());
            let CallCensus { eager, graph } = census(&device, &*problem);
            let GraphCensus::Captured { nodes, replay } = graph else { panic!("{case}: {graph:?}") };
            assert!(!eager.kernels.is_empty(), "{case}");
            for count in [&eager, &*nodes, &*replay] {
                assert!(same_launches(count, &eager), "{case}: {count:#?} and {eager:#?}");
                assert_eq!(Census { kernels: Vec::new(), ..count.clone() }, Census::default(), "{case}");
                for launch in &count.kernels {
                    assert!(operator.kernels().contains(&launch.name.as_str()), "{case}: {launch}");
                    assert!(launch.registers > 0, "{case}: {launch:?}");
                }
            }
        }
    }
}

/// What a call does besides its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dirt {
    Memset,
    Allocation,
    Synchronisation,
}

/// A problem of `resample` with a dirty call.
struct Dirty {
    inner: Box<dyn Problem>,
    dirt: Dirt,
}

impl Problem for Dirty {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn inputs(&self) -> Vec<TensorSpec> {
        self.inner.inputs()
    }

    fn outputs(&self) -> Vec<TensorSpec> {
        self.inner.outputs()
    }

    fn generate(&self, distribution: Distribution, seed: Seed) -> Vec<HostTensor> {
        self.inner.generate(distribution, seed)
    }

    fn check(&self, inputs: &[HostTensor]) -> Result<(), InvalidInput> {
        self.inner.check(inputs)
    }

    fn reference(&self, inputs: &[HostTensor]) -> Reference {
        self.inner.reference(inputs)
    }

    fn run_cpu(&self, inputs: &[HostTensor], outputs: &mut [HostTensor], options: CpuOptions) -> Result<(), RunError> {
        self.inner.run_cpu(inputs, outputs, options)
    }

    fn cuda(&self) -> Option<&dyn CudaProblem> {
        Some(self)
    }

    fn bytes_moved(&self, inputs: &[HostTensor]) -> u64 {
        self.inner.bytes_moved(inputs)
    }
}

impl CudaProblem for Dirty {
    fn workspace_bytes(&self) -> usize {
        self.inner.cuda().map_or(0, CudaProblem::workspace_bytes)
    }

    fn enqueue(&self, call: Call<'_>) -> Result<(), CudaError> {
        let stream = call.stream;
        match self.dirt {
            Dirt::Memset => call.outputs[0].fill(stream, 0)?,
            Dirt::Allocation => drop(DeviceBuffer::new(stream.context(), 1 << 20)?),
            Dirt::Synchronisation => {}
        }
        self.inner.cuda().expect("resample has a CUDA side").enqueue(call)?;
        if self.dirt == Dirt::Synchronisation { stream.synchronize() } else { Ok(()) }
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU and CUPTI"]
fn hidden_memsets_allocations_and_waits_are_found() {
    let _alone = alone();
    let device = Device::open(0).unwrap();
    let registry = registry();
    let operator = registry.get("resample").unwrap();
    let counted = |dirt| {
        let inner = operator.problem(operator.dtypes()[0], &resample([3, 37, 8, 61], "f32")).unwrap();
        census(&device, &Dirty { inner, dirt })
    };

    let CallCensus { eager, graph } = counted(Dirt::Memset);
    let GraphCensus::Captured { nodes, replay } = graph else { panic!("{graph:?}") };
    for count in [&eager, &*nodes, &*replay] {
        assert_eq!((count.kernels.len(), &count.memsets[..]), (1, &[3 * 61 * 8 * 4][..]), "{count:?}");
    }

    let CallCensus { eager, graph } = counted(Dirt::Allocation);
    let named = |names: &[String], part: &str| names.iter().any(|name| name.contains(part));
    assert!(named(&eager.allocations, "MemAlloc") && named(&eager.allocations, "MemFree"), "{eager:?}");
    // No graph holds a call that allocates like this.
    assert!(matches!(graph, GraphCensus::Refused { .. }), "{graph:?}");

    let CallCensus { eager, graph } = counted(Dirt::Synchronisation);
    assert!(named(&eager.synchronisations, "StreamSynchronize"), "{eager:?}");
    assert!(matches!(graph, GraphCensus::Refused { .. }), "{graph:?}");

    // None of this is left behind.
    let inner = operator.problem(operator.dtypes()[0], &resample([3, 37, 8, 61], "f32")).unwrap();
    assert!(matches!(census(&device, &*inner).graph, GraphCensus::Captured { .. }));
}
