//! The GPU gives the bits of the CPU, in every variation, for every operator, dtype and distribution.
//!
//! Shapes are chosen for the paths that they take: rows of every alignment, more sample times than are staged in shared
//! memory, many streams, empty problems, voxels so heavy that they are reduced in pieces.

mod arguments;

use arguments::{fuse, resample, voxelize};
use robocache_core::{
    compare::compare_bits,
    cpu::CpuOptions,
    cuda::{CudaError, CudaSession, Device},
    distribution::Distribution,
    operator::Problem,
    operators::registry,
    parameters::Parameters,
    random::Seed,
    session::Session,
    tensor::HostTensor,
};

fn shapes() -> Vec<(&'static str, Parameters)> {
    let mut shapes = Vec::new();
    for times in ["f32", "i64"] {
        for extents in [[3, 37, 8, 61], [5, 2, 3, 17], [3, 1, 4, 9], [1, 5000, 2, 300], [2, 40, 588, 70], [0, 3, 2, 5]]
        {
            shapes.push(("resample", resample(extents, times)));
        }
        shapes.push(("fuse", fuse(5, 41, &[[30, 7], [1, 1], [90, 4], [3000, 16]], times)));
        shapes.push(("fuse", fuse(2, 5, &[[2, 8]; 16], times)));
        shapes.push(("fuse", fuse(1, 0, &[[3, 2]], times)));
    }
    for mode in ["count", "occupancy", "mean", "max"] {
        for (points, features, grid) in [
            (3001, 3, [11, 7, 5]),
            (2000, 8, [32, 32, 32]),
            (20_000, 4, [2, 1, 3]),
            (0, 2, [2, 3, 4]),
            (1, 1, [1, 1, 1]),
        ] {
            shapes.push(("voxelize", voxelize(mode, points, features, grid)));
        }
    }
    shapes
}

/// Calls `visit` with every legal problem, each of its distributions, and the inputs.
fn for_each_case(mut visit: impl FnMut(&str, &dyn Problem, Vec<HostTensor>)) {
    let registry = registry();
    for (name, shape) in shapes() {
        let operator = registry.get(name).unwrap();
        for &dtype in operator.dtypes() {
            // Modes without features are legal for one dtype only.
            let Ok(problem) = operator.problem(dtype, &shape) else { continue };
            for &distribution in operator.distributions() {
                let case = format!("{name} {dtype} {} {distribution}", problem.name());
                visit(&case, &*problem, problem.generate(distribution, Seed::root(2)));
            }
        }
    }
}

fn on_cpu(problem: &dyn Problem, inputs: &[HostTensor]) -> Vec<HostTensor> {
    let mut outputs: Vec<_> = problem.outputs().into_iter().map(HostTensor::zeros).collect();
    problem.run_cpu(inputs, &mut outputs, CpuOptions::default()).unwrap();
    outputs
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn every_variation_gives_the_bits_of_the_cpu() {
    let device = Device::open(0).unwrap();
    for_each_case(|case, problem, inputs| {
        let expected = on_cpu(problem, &inputs);
        let mut session = CudaSession::new(&device, problem, &inputs).unwrap();
        for variation in session.variations() {
            let outcome = session.run(variation).unwrap_or_else(|error| panic!("{case} {variation}: {error}"));
            assert_eq!(outcome.guard_violation, None, "{case} {variation}");
            assert_eq!(outcome.mutated_input, None, "{case} {variation}");
            for (expected, actual) in expected.iter().zip(&outcome.outputs) {
                let comparison = compare_bits(expected, actual);
                assert_eq!(comparison.differing, 0, "{case} {variation}: {:?}", comparison.first);
            }
        }
    });
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn repeats_give_the_same_bits_and_a_wrong_expectation_is_found() {
    let device = Device::open(0).unwrap();
    let registry = registry();
    let operator = registry.get("voxelize").unwrap();
    for mode in ["count", "mean"] {
        let problem = operator.problem(operator.dtypes()[0], &voxelize(mode, 20_000, 4, [2, 1, 3])).unwrap();
        let inputs = problem.generate(Distribution::WideExponents, Seed::root(3));
        let mut expected = on_cpu(&*problem, &inputs);
        let mut session = CudaSession::new(&device, &*problem, &inputs).unwrap();
        assert!(session.repeat(50, &expected).unwrap().is_none(), "{mode}");
        expected[0].bytes_mut()[5] ^= 1;
        let broken = session.repeat(50, &expected).unwrap().expect("one bit differs");
        assert_eq!(broken.run, 0);
        assert_eq!(compare_bits(&expected[0], &broken.outcome.outputs[0]).differing, 1);
    }
}

#[test]
fn every_builtin_problem_has_a_cuda_side_and_opening_a_gpu_never_panics() {
    for_each_case(|case, problem, _| assert!(problem.cuda().is_some(), "{case}"));
    match Device::open(0) {
        Ok(device) => assert!(device.context().memory().is_ok()),
        Err(CudaError::Unavailable(_) | CudaError::NoKernels(_)) => {}
        Err(
            error @ (CudaError::Driver { .. }
            | CudaError::UnknownKernel(_)
            | CudaError::KernelFile(_)
            | CudaError::Implementation(_)),
        ) => panic!("{error}"),
    }
}
