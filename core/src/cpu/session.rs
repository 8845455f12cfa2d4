//! A problem on the CPU.

use super::{CpuOptions, InstructionSet};
use crate::{
    operator::{Problem, RunError},
    session::{BrokenRepeat, RunOutcome, Session, Variation, cpu_options},
    tensor::HostTensor,
};

/// A problem with its inputs, run on the CPU.
pub struct CpuSession<'a> {
    problem: &'a dyn Problem,
    inputs: Vec<HostTensor>,
    input_hashes: Vec<blake3::Hash>,
    outputs: Vec<HostTensor>,
}

impl<'a> CpuSession<'a> {
    /// Takes the inputs, which must satisfy [`Problem::check`].
    pub fn new(problem: &'a dyn Problem, inputs: Vec<HostTensor>) -> Result<Self, RunError> {
        crate::operator::check_tensors(&problem.inputs(), &inputs)?;
        problem.check(&inputs)?;
        let input_hashes = inputs.iter().map(HostTensor::hash).collect();
        let outputs = problem.outputs().into_iter().map(HostTensor::zeros).collect();
        Ok(Self { problem, inputs, input_hashes, outputs })
    }

    fn execute(&mut self, poison: Option<u8>, options: CpuOptions) -> Result<(), RunError> {
        if let Some(poison) = poison {
            for output in &mut self.outputs {
                output.bytes_mut().fill(poison);
            }
        }
        self.problem.run_cpu(&self.inputs, &mut self.outputs, options)
    }

    fn outcome(&self) -> RunOutcome {
        let guard_violation = self.inputs.iter().chain(&self.outputs).find_map(|tensor| tensor.check_guards().err());
        let mutated_input = self
            .inputs
            .iter()
            .zip(&self.input_hashes)
            .find(|(input, hash)| input.hash() != **hash)
            .map(|(input, _)| input.name().to_owned());
        RunOutcome { outputs: self.outputs.clone(), guard_violation, mutated_input }
    }
}

impl Session for CpuSession<'_> {
    fn variations(&self) -> Vec<Variation> {
        let buffers = [Variation::Plain { poison: 0xFF }, Variation::Reused];
        if !self.problem.obeys_cpu_options() {
            return buffers.into();
        }
        let all = CpuOptions::default().threads;
        // One, an odd number that splits no extent evenly, and more threads than cores.
        let threads = [1, 3, 2 * all + 1].map(Variation::Threads);
        let instructions = InstructionSet::available().into_iter().map(Variation::Instructions);
        buffers.into_iter().chain(threads).chain(instructions).collect()
    }

    fn run(&mut self, variation: Variation) -> Result<RunOutcome, RunError> {
        let poison = match variation {
            Variation::Plain { poison } => Some(poison),
            Variation::Reused => None,
            Variation::Threads(_)
            | Variation::Instructions(_)
            | Variation::OtherStream
            | Variation::GraphReplay
            | Variation::Geometry(_) => Some(0xFF),
        };
        self.execute(poison, cpu_options(variation))?;
        Ok(self.outcome())
    }

    fn repeat(&mut self, repeats: u64, expected: &[HostTensor]) -> Result<Option<BrokenRepeat>, RunError> {
        for run in 0..repeats {
            let poison = if run % 2 == 0 { 0xFF } else { 0x00 };
            self.execute(Some(poison), CpuOptions::default())?;
            if self.outputs.iter().zip(expected).any(|(output, expected)| output.bytes() != expected.bytes()) {
                return Ok(Some(BrokenRepeat { run, outcome: self.outcome() }));
            }
        }
        Ok(None)
    }
}
