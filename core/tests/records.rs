//! What every record promises, held against its own CPU implementation over all dtypes, distributions and kinds of time.

mod arguments;

use arguments::{fuse, resample, voxelize};
use robocache_core::{
    compare::{Comparison, compare_bits, compare_bounded},
    cpu::CpuOptions,
    distribution::Distribution,
    dtype::DType,
    operator::Problem,
    operators::registry,
    parameters::Value,
    random::Seed,
    reference::Expected,
    tensor::HostTensor,
};

/// Problems of every operator, small ones of odd extents and empty ones among them, for every dtype that is legal.
fn problems() -> Vec<(&'static str, Box<dyn Problem>)> {
    let mut shapes = Vec::new();
    for times in ["f32", "i64"] {
        shapes.push(("resample", resample([9, 37, 5, 61], times)));
        shapes.push(("resample", resample([40, 2, 3, 17], times)));
        shapes.push(("resample", resample([3, 1, 4, 9], times)));
        shapes.push(("resample", resample([0, 3, 2, 5], times)));
        shapes.push(("resample", resample([2, 3, 2, 0], times)));
        shapes.push(("fuse", fuse(5, 41, &[[30, 7], [1, 1], [90, 4]], times)));
        shapes.push(("fuse", fuse(1, 0, &[[3, 2]], times)));
        shapes.push(("fuse", fuse(2, 5, &[[2, 1]; 16], times)));
    }
    for mode in ["count", "occupancy", "mean", "max"] {
        let mut offset = voxelize(mode, 3001, 3, [11, 7, 5]);
        offset.set("origin", Value::List(vec![Value::Number(-0.7), Value::Integer(3), Value::Number(1e3)]));
        offset.set("voxel_size", Value::Number(0.3));
        shapes.push(("voxelize", offset));
        shapes.push(("voxelize", voxelize(mode, 2000, 2, [64, 64, 64])));
        shapes.push(("voxelize", voxelize(mode, 0, 2, [2, 3, 4])));
        shapes.push(("voxelize", voxelize(mode, 1, 1, [1, 1, 1])));
    }
    let registry = registry();
    let mut problems = Vec::new();
    for (name, shape) in shapes {
        let operator = registry.get(name).unwrap();
        let legal = operator.dtypes().iter().filter_map(|&dtype| operator.problem(dtype, &shape).ok());
        let before = problems.len();
        problems.extend(legal.map(|problem| (name, problem)));
        assert!(problems.len() > before, "{name} {shape:?}");
    }
    problems
}

fn distributions(operator: &str) -> Vec<Distribution> {
    registry().get(operator).unwrap().distributions().to_vec()
}

fn run(problem: &dyn Problem, inputs: &[HostTensor]) -> Vec<HostTensor> {
    let mut outputs: Vec<_> = problem.outputs().into_iter().map(|spec| HostTensor::poisoned(spec, 0xFF)).collect();
    problem.run_cpu(inputs, &mut outputs, CpuOptions::default()).unwrap();
    outputs
}

fn compare(problem: &dyn Problem, inputs: &[HostTensor], outputs: &[HostTensor]) -> Vec<(bool, Comparison)> {
    let reference = problem.reference(inputs);
    assert_eq!(reference.outputs.len(), outputs.len());
    let compared = reference.outputs.iter().zip(outputs).map(|(expected, output)| match expected {
        Expected::Bits(bits) => (true, compare_bits(bits, output)),
        Expected::Within(bounded) => (bounded.exact, compare_bounded(bounded, output)),
    });
    compared.collect()
}

#[test]
fn generated_inputs_are_what_the_problem_takes_and_always_the_same() {
    for (name, problem) in problems() {
        for distribution in distributions(name) {
            let inputs = problem.generate(distribution, Seed::root(1));
            let specs: Vec<_> = inputs.iter().map(|input| input.spec().clone()).collect();
            assert_eq!(specs, problem.inputs(), "{name} {}", problem.name());
            assert_eq!(problem.check(&inputs), Ok(()), "{name} {} {distribution}", problem.name());
            let again = problem.generate(distribution, Seed::root(1));
            let other = problem.generate(distribution, Seed::root(2));
            let bytes = |inputs: &[HostTensor]| inputs.iter().map(HostTensor::hash).collect::<Vec<_>>();
            assert_eq!(bytes(&inputs), bytes(&again));
            if inputs.iter().map(|input| input.bytes().len()).sum::<usize>() > 100 {
                assert_ne!(bytes(&inputs), bytes(&other), "{name} {} {distribution}", problem.name());
            }
        }
    }
}

#[test]
fn generated_bytes_are_fixed_forever() {
    // A change here changes the data of every cell: evidence collected so far can no longer be replayed. What is new has
    // a hash of its own.
    let hash = |is_meant: fn(Distribution) -> bool| {
        let mut hasher = blake3::Hasher::new();
        for (name, problem) in problems() {
            for distribution in distributions(name).into_iter().filter(|&distribution| is_meant(distribution)) {
                for input in problem.generate(distribution, Seed::root(1)) {
                    hasher.update(input.bytes());
                }
            }
        }
        hasher.finalize().to_hex().to_string()
    };
    let first = hash(|distribution| distribution != Distribution::Midpoints);
    assert_eq!(first, "48667b0921426034d422ae32f846ed9f7db9280677b25baa286180e15a4b98e3");
    let midpoints = hash(|distribution| distribution == Distribution::Midpoints);
    assert_eq!(midpoints, "ae9d4fafc47d715ab837338f23a0c1aceb47029c57dde1d59d55daf507dfb991");
}

#[test]
fn the_cpu_is_within_its_bounds_everywhere_and_exact_on_integers() {
    for (name, problem) in problems() {
        for distribution in distributions(name) {
            let inputs = problem.generate(distribution, Seed::root(3).derive(&problem.name()));
            let outputs = run(problem.as_ref(), &inputs);
            for (exact, comparison) in compare(problem.as_ref(), &inputs, &outputs) {
                let dtype = outputs[0].dtype();
                assert_eq!(
                    comparison.differing,
                    0,
                    "{name} {dtype} {} {distribution}: {:?}",
                    problem.name(),
                    comparison.first
                );
                assert!(exact || distribution != Distribution::IntegerValued, "{name} {}", problem.name());
            }
        }
    }
}

#[test]
fn bounds_are_tight_enough_to_be_worth_having() {
    let mut largest = 0.0_f64;
    let registry = registry();
    let operator = registry.get("resample").unwrap();
    for dtype in [DType::F32, DType::F16, DType::Bf16] {
        for times in ["f32", "i64"] {
            let problem = operator.problem(dtype, &resample([64, 100, 8, 200], times)).unwrap();
            for &distribution in operator.distributions() {
                let inputs = problem.generate(distribution, Seed::root(4));
                let (_, comparison) = compare(problem.as_ref(), &inputs, &run(problem.as_ref(), &inputs)).remove(0);
                let fraction = comparison.max_fraction_of_bound.unwrap();
                println!("{dtype} {times} {distribution}: {fraction:.3} of the bound, {} ULP", comparison.max_ulps);
                assert_eq!(comparison.differing, 0, "{:?}", comparison.first);
                if dtype == DType::F32 {
                    largest = largest.max(fraction);
                }
            }
        }
    }
    assert!((0.3..=1.0).contains(&largest), "{largest}");
}

#[test]
fn relations_hold_bit_for_bit() {
    let mut related = 0;
    for (name, problem) in problems() {
        for distribution in distributions(name) {
            let inputs = problem.generate(distribution, Seed::root(5));
            let outputs = run(problem.as_ref(), &inputs);
            for relation in problem.relations() {
                let mut runs = 0;
                let follow_up = relation
                    .follow_up(&inputs, Seed::root(6), &mut |problem, inputs| {
                        runs += 1;
                        problem.check(inputs)?;
                        Ok(run(problem, inputs))
                    })
                    .unwrap();
                assert!(runs > 0);
                for (expected, actual) in outputs.iter().zip(&follow_up) {
                    let comparison = compare_bits(expected, actual);
                    assert_eq!(comparison.differing, 0, "{name} {} {}", problem.name(), relation.name());
                }
                assert_eq!(outputs.len(), follow_up.len());
                related += 1;
            }
        }
    }
    assert!(related > 100);
}

#[test]
fn names_are_unique_and_fit_cell_names() {
    let mut names: Vec<_> = problems().iter().map(|(name, problem)| format!("{name}::{}", problem.name())).collect();
    for name in &names {
        let legal = |character: char| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || "_.-:".contains(character)
        };
        assert!(name.chars().all(legal), "{name}");
    }
    names.dedup();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(names.contains(&"resample::b9_s37_d5_t61_i64".to_owned()));
    assert!(names.contains(&"fuse::b5_t41_30x7_1x1_90x4_f32".to_owned()));
    assert!(names.contains(&"voxelize::mean_n2000_f2_64x64x64".to_owned()));
    assert!(names.contains(&"voxelize::count_n3001_11x7x5_origin-0.7x3x1000_size0.3".to_owned()), "{names:?}");
}

#[test]
fn the_roofline_floor_is_no_more_than_all_tensors() {
    for (name, problem) in problems() {
        for distribution in distributions(name) {
            let inputs = problem.generate(distribution, Seed::root(7));
            let outputs: u64 = problem.outputs().iter().map(|output| output.bytes() as u64).sum();
            let all = inputs.iter().map(|input| input.bytes().len() as u64).sum::<u64>() + outputs;
            let moved = problem.bytes_moved(&inputs);
            assert!((outputs..=all).contains(&moved), "{name} {}: {moved} of {all}", problem.name());
        }
    }
}
