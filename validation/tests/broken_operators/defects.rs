//! Defects to be planted in real operators.

use std::{sync::Arc, thread, time::Duration};

use robocache_core::{
    cpu::CpuOptions,
    distribution::Distribution,
    dtype::DType,
    operator::{InvalidInput, Operator, Problem, RunError},
    parameters::{InvalidParameter, ParameterSpec, Parameters},
    random::Seed,
    reference::Reference,
    tensor::{HostTensor, TensorSpec},
};
use validation::{cell::Cell, suites::SuiteSettings, verdict::Verdict};

/// What is wrong with an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Defect {
    /// Nothing: a clean control.
    None,
    /// The highest bit below the sign of the last element is flipped.
    FlippedBit,
    /// The last element is not written.
    SkippedTail,
    /// The first element is a NaN that is not canonical.
    Nan,
    /// It never returns.
    EndlessLoop,
    /// It aborts the process.
    Abort,
    /// It allocates 10 GB and uses them.
    HugeAllocation,
    /// It panics.
    Panic,
    /// It returns an error.
    Error,
    /// It changes its first input.
    MutatedInput,
}

impl Defect {
    pub(crate) const ALL: &'static [Self] = &[
        Self::None,
        Self::FlippedBit,
        Self::SkippedTail,
        Self::Nan,
        Self::EndlessLoop,
        Self::Abort,
        Self::HugeAllocation,
        Self::Panic,
        Self::Error,
        Self::MutatedInput,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::None => "clean",
            Self::FlippedBit => "flipped_bit",
            Self::SkippedTail => "skipped_tail",
            Self::Nan => "nan",
            Self::EndlessLoop => "endless_loop",
            Self::Abort => "abort",
            Self::HugeAllocation => "huge_allocation",
            Self::Panic => "panic",
            Self::Error => "error",
            Self::MutatedInput => "mutated_input",
        }
    }

    pub(crate) fn operator_name(self, inner: &str) -> String {
        format!("{inner}_{}", self.word())
    }

    pub(crate) fn of_operator_name(name: &str) -> Option<Self> {
        let (_, word) = name.split_once('_')?;
        Self::ALL.iter().copied().find(|defect| defect.word() == word)
    }

    /// Whether this is the verdict that this defect must draw in this cell's suite.
    pub(crate) fn verdict_is_right(self, cell: &Cell, verdict: &Verdict) -> bool {
        let deterministic = match cell.suite {
            SuiteSettings::Determinism(_) => true,
            SuiteSettings::Accuracy(_) => false,
        };
        match (self, verdict) {
            (Self::None, Verdict::Pass) => true,
            // The same wrong bits each time are no business of the determinism suite, whose relations may or may
            // not meet them.
            (Self::FlippedBit | Self::Nan, Verdict::Pass) => deterministic,
            (Self::FlippedBit | Self::Nan, Verdict::Fail { .. }) => true,
            (Self::SkippedTail, Verdict::Fail { .. }) => true,
            (Self::EndlessLoop, Verdict::Timeout { .. }) => true,
            (Self::Abort, Verdict::Crash { cause, .. }) => cause == "SIGABRT",
            (Self::HugeAllocation, Verdict::Crash { cause, detail }) => {
                cause == "SIGABRT" && detail.contains("memory allocation of 10000000000 bytes failed")
            }
            (Self::Panic, Verdict::Crash { cause, detail }) => cause == "panic" && detail.contains("planted panic"),
            (Self::Error, Verdict::Fail { reason }) => reason.contains("planted error"),
            (Self::MutatedInput, Verdict::Fail { reason }) => reason.contains("was changed"),
            (
                _,
                Verdict::Pass
                | Verdict::Fail { .. }
                | Verdict::Skip { .. }
                | Verdict::Timeout { .. }
                | Verdict::Crash { .. }
                | Verdict::Error { .. },
            ) => false,
        }
    }
}

/// A real operator with a defect in its CPU implementation.
pub(crate) struct Broken {
    pub(crate) name: String,
    pub(crate) inner: Arc<dyn Operator>,
    pub(crate) defect: Defect,
}

impl Operator for Broken {
    fn name(&self) -> &str {
        &self.name
    }

    fn summary(&self) -> &str {
        self.inner.summary()
    }

    fn dtypes(&self) -> &[DType] {
        self.inner.dtypes()
    }

    fn parameters(&self) -> &[ParameterSpec] {
        self.inner.parameters()
    }

    fn distributions(&self) -> &[Distribution] {
        self.inner.distributions()
    }

    fn problem(&self, dtype: DType, parameters: &Parameters) -> Result<Box<dyn Problem>, InvalidParameter> {
        let inner = self.inner.problem(dtype, parameters)?;
        Ok(Box::new(BrokenProblem { inner, defect: self.defect }))
    }
}

struct BrokenProblem {
    inner: Box<dyn Problem>,
    defect: Defect,
}

impl Problem for BrokenProblem {
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
        let size = outputs[0].dtype().size_bytes();
        match self.defect {
            Defect::None => self.inner.run_cpu(inputs, outputs, options),
            Defect::FlippedBit => {
                self.inner.run_cpu(inputs, outputs, options)?;
                let bytes = outputs[0].bytes_mut();
                let last = bytes.len() - 1;
                bytes[last] ^= 0x40;
                Ok(())
            }
            Defect::SkippedTail => {
                let tail = outputs[0].bytes().len() - size;
                let before = outputs[0].bytes()[tail..].to_vec();
                self.inner.run_cpu(inputs, outputs, options)?;
                outputs[0].bytes_mut()[tail..].copy_from_slice(&before);
                Ok(())
            }
            Defect::Nan => {
                self.inner.run_cpu(inputs, outputs, options)?;
                outputs[0].bytes_mut()[..size].fill(0xFF);
                Ok(())
            }
            Defect::EndlessLoop => loop {
                thread::sleep(Duration::from_secs(1));
            },
            Defect::Abort => std::process::abort(),
            Defect::HugeAllocation => {
                let memory = vec![1_u8; 10_000_000_000];
                Err(RunError::Other(format!("{} bytes were allocated, limit or not", memory.len())))
            }
            Defect::Panic => panic!("planted panic"),
            Defect::Error => Err(RunError::Other("planted error".into())),
            Defect::MutatedInput => {
                self.inner.run_cpu(inputs, outputs, options)?;
                let byte = inputs[0].bytes().as_ptr().cast_mut();
                // SAFETY: nothing is safe about this: the defect is a subject in C that writes to its input. The
                // payload holds at least one byte, and no reference to it is alive across the write.
                unsafe { byte.write_volatile(!byte.read_volatile()) };
                Ok(())
            }
        }
    }

    fn bytes_moved(&self, inputs: &[HostTensor]) -> u64 {
        self.inner.bytes_moved(inputs)
    }
}
