use std::{sync::Arc, thread, time::Duration};

use super::*;
use crate::{
    communicator::{Mesh, Patience, Unwatched},
    cpu::{CpuOptions, InstructionSet},
    distribution::Distribution,
    operators::{
        fuse::Fuse,
        resample::Resample,
        voxelize::{VoxelMode, Voxelize},
    },
    random::Seed,
};

fn on_ranks<T: Send>(world: usize, work: impl Fn(&mut Mesh) -> T + Sync) -> Vec<T> {
    let patience = |_| Patience { deadline: Duration::from_secs(60), referee: Arc::new(Unwatched) };
    let ranks = Mesh::in_process(world, patience).unwrap();
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = ranks.into_iter().map(|mut rank| scope.spawn(move || work(&mut rank))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn run(problem: &dyn Problem, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, RunError> {
    let mut outputs: Vec<_> = problem.outputs().into_iter().map(|spec| HostTensor::poisoned(spec, 0xA7)).collect();
    let options = CpuOptions { threads: 1, instructions: InstructionSet::best() };
    problem.run_cpu(inputs, &mut outputs, options)?;
    Ok(outputs)
}

fn integers<const N: usize>(values: [i64; N]) -> Value {
    Value::List(values.map(Value::Integer).to_vec())
}

fn parameters<const N: usize>(arguments: [(&str, Value); N]) -> Parameters {
    Parameters::new(arguments.map(|(name, value)| (name.to_owned(), value)))
}

/// Compares the bytes of all outputs, on all ranks, over all numbers of ranks, partitions and distributions.
fn no_bit_differs(operator: &dyn Operator, dtype: DType, parameters: &Parameters) {
    let problem = operator.problem(dtype, parameters).unwrap();
    let cases: Vec<_> = operator
        .distributions()
        .iter()
        .map(|&distribution| {
            let inputs = problem.generate(distribution, Seed::root(5));
            let expected = run(&*problem, &inputs).unwrap();
            (distribution, inputs, expected)
        })
        .collect();
    for world in 1..=4 {
        on_ranks(world, |mesh| {
            for partition in Partition::ALL {
                for (distribution, inputs, expected) in &cases {
                    let outputs = sharded(operator, dtype, parameters, inputs, partition, mesh, &mut run).unwrap();
                    for (output, expected) in outputs.iter().zip(expected) {
                        assert_eq!(output.spec(), expected.spec());
                        assert!(
                            output.bytes() == expected.bytes(),
                            "{} of {} {dtype} {distribution}, {partition} over {world}",
                            output.name(),
                            problem.name()
                        );
                    }
                }
            }
        });
    }
}

#[test]
fn resample_is_the_same_over_any_ranks() {
    for &dtype in Resample.dtypes() {
        for (batch, times) in [(7, "f32"), (2, "i64"), (0, "f32")] {
            let times = Value::Word(times.to_owned());
            let [batch, source, channels, target] = [batch, 9, 3, 11].map(Value::Integer);
            let parameters =
                parameters([("b", batch), ("s", source), ("d", channels), ("t", target), ("times", times)]);
            no_bit_differs(&Resample, dtype, &parameters);
        }
    }
}

#[test]
fn fuse_is_the_same_over_any_ranks() {
    for &dtype in Fuse.dtypes() {
        let streams = Value::List(vec![integers([9, 3]), integers([4, 2])]);
        let parameters = parameters([("b", Value::Integer(6)), ("t", Value::Integer(5)), ("streams", streams)]);
        no_bit_differs(&Fuse, dtype, &parameters);
    }
}

#[test]
fn voxelize_is_the_same_over_any_ranks() {
    for mode in VoxelMode::ALL {
        for &dtype in Voxelize.dtypes() {
            if !mode.takes_features() && dtype != DType::F32 {
                continue;
            }
            for points in [0, 700] {
                let mode_word = Value::Word(mode.name().to_owned());
                let mut parameters =
                    parameters([("n", Value::Integer(points)), ("grid", integers([5, 4, 3])), ("mode", mode_word)]);
                if mode.takes_features() {
                    parameters.set("f", Value::Integer(3));
                }
                no_bit_differs(&Voxelize, dtype, &parameters);
            }
        }
    }
}

/// `resample` as somebody else's operator, of which nothing is known.
struct Foreign;

struct ForeignProblem(Box<dyn Problem>);

impl Operator for Foreign {
    fn name(&self) -> &str {
        "foreign"
    }
    fn summary(&self) -> &str {
        "a problem without a definition"
    }
    fn dtypes(&self) -> &[DType] {
        &[DType::F32]
    }
    fn parameters(&self) -> &[crate::parameters::ParameterSpec] {
        &[]
    }
    fn distributions(&self) -> &[Distribution] {
        &[]
    }
    fn problem(&self, dtype: DType, parameters: &Parameters) -> Result<Box<dyn Problem>, InvalidParameter> {
        Ok(Box::new(ForeignProblem(Resample.problem(dtype, parameters)?)))
    }
}

impl Problem for ForeignProblem {
    fn name(&self) -> String {
        self.0.name()
    }
    fn inputs(&self) -> Vec<crate::tensor::TensorSpec> {
        self.0.inputs()
    }
    fn outputs(&self) -> Vec<crate::tensor::TensorSpec> {
        self.0.outputs()
    }
    fn generate(&self, distribution: Distribution, seed: Seed) -> Vec<HostTensor> {
        self.0.generate(distribution, seed)
    }
    fn check(&self, inputs: &[HostTensor]) -> Result<(), crate::operator::InvalidInput> {
        self.0.check(inputs)
    }
    fn reference(&self, inputs: &[HostTensor]) -> crate::reference::Reference {
        self.0.reference(inputs)
    }
    fn run_cpu(&self, inputs: &[HostTensor], outputs: &mut [HostTensor], options: CpuOptions) -> Result<(), RunError> {
        self.0.run_cpu(inputs, outputs, options)
    }
    fn bytes_moved(&self, inputs: &[HostTensor]) -> u64 {
        self.0.bytes_moved(inputs)
    }
}

#[test]
fn an_operator_of_which_nothing_is_known_is_not_split() {
    let parameters =
        parameters([("b", 2), ("s", 3), ("d", 1), ("t", 2)].map(|(name, value)| (name, Value::Integer(value))));
    let inputs = Resample.problem(DType::F32, &parameters).unwrap().generate(Distribution::Uniform, Seed::root(1));
    let errors = on_ranks(2, |mesh| {
        sharded(&Foreign, DType::F32, &parameters, &inputs, Partition::Even, mesh, &mut run).unwrap_err()
    });
    for error in errors {
        assert!(matches!(&error, ShardingError::NotShardable { operator } if operator == "foreign"), "{error}");
    }
}

#[test]
fn every_step_of_a_training_is_the_same_over_any_ranks() {
    let training =
        Training { steps: 20, batch: 10, source: 8, target: 16, grid: 4, partition: Partition::Even, seed: 3 };
    let alone = on_ranks(1, |mesh| training.run(mesh, &mut run).unwrap()).remove(0);
    assert_eq!(alone.len(), 20);
    assert!(alone.windows(2).all(|pair| pair[0] != pair[1]));
    for world in 2..=4 {
        for partition in Partition::ALL {
            let training = Training { partition, ..training };
            for hashes in on_ranks(world, |mesh| training.run(mesh, &mut run).unwrap()) {
                assert_eq!(hashes, alone, "{partition} over {world}");
            }
        }
    }
    let other = Training { seed: 4, ..training };
    assert_ne!(on_ranks(2, |mesh| other.run(mesh, &mut run).unwrap())[0], alone);
}
