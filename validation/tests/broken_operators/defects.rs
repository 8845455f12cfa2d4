//! Defects to be planted in real operators.

use std::{
    ffi::{CStr, CString},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use cudarc::driver::result;
use robocache_core::{
    cpu::CpuOptions,
    cuda::{Call, CudaError, CudaProblem},
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
    /// It is right at first, and wrong from its fourth call on.
    WrongLater,
    /// It is right for the shape that everybody tries, and for no other.
    RightForOneShape,
    /// It is wrong where a rare value is among its first input, whatever the shape.
    RareValue,
    /// Its kernel never ends.
    HungKernel,
    /// Its kernel stores to an address that is not there, which makes the context unusable.
    WildStore,
    /// `fuse` is a chain of launches, one for each stream. Its bits are right. Other operators are clean.
    Chained,
}

impl Defect {
    /// Those of CPU implementations.
    pub(crate) const CPU: &'static [Self] = &[
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
        Self::WrongLater,
    ];

    /// Those of CUDA implementations.
    pub(crate) const CUDA: &'static [Self] = &[Self::None, Self::HungKernel, Self::WildStore];

    /// Those that only problems of random extents find.
    pub(crate) const RANDOM: &'static [Self] = &[Self::RightForOneShape];

    /// Those that depend on the data.
    pub(crate) const DATA: &'static [Self] = &[Self::RareValue];

    /// Those that only a count of launches finds, with a clean control.
    pub(crate) const LAUNCHES: &'static [Self] = &[Self::None, Self::Chained];

    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [Self::CPU, Self::CUDA, Self::RANDOM, Self::DATA, Self::LAUNCHES].into_iter().flatten().copied()
    }

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
            Self::WrongLater => "wrong_later",
            Self::RightForOneShape => "right_for_one_shape",
            Self::RareValue => "rare_value",
            Self::HungKernel => "hung_kernel",
            Self::WildStore => "wild_store",
            Self::Chained => "chained",
        }
    }

    pub(crate) fn operator_name(self, inner: &str) -> String {
        format!("{inner}_{}", self.word())
    }

    pub(crate) fn of_operator_name(name: &str) -> Option<Self> {
        let (_, word) = name.split_once('_')?;
        Self::of_word(word)
    }

    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::all().find(|defect| defect.word() == word)
    }

    /// Whether this is the verdict that this defect must draw in this cell's suite.
    pub(crate) fn verdict_is_right(self, cell: &Cell, verdict: &Verdict) -> bool {
        let deterministic = match cell.suite {
            SuiteSettings::Determinism(_) => true,
            SuiteSettings::Accuracy(_)
            | SuiteSettings::LaunchCount(_)
            | SuiteSettings::BackwardCompat(_)
            | SuiteSettings::MultiGpu(_) => false,
            SuiteSettings::Performance(_) => return self.is_right_while_timed(verdict),
        };
        match (self, verdict) {
            (Self::None, Verdict::Pass) => true,
            // The same wrong bits each time are no business of the determinism suite.
            (Self::FlippedBit | Self::Nan, Verdict::Pass) => deterministic,
            (Self::FlippedBit | Self::Nan, Verdict::Fail { .. }) => !deterministic,
            (Self::SkippedTail, Verdict::Fail { reason }) => {
                !deterministic || reason.contains("as if it was not written")
            }
            (Self::EndlessLoop, Verdict::Timeout { .. }) => true,
            (Self::Abort, Verdict::Crash { cause, .. }) => cause == "SIGABRT",
            (Self::HugeAllocation, Verdict::Crash { cause, detail }) => {
                cause == "SIGABRT" && detail.contains("memory allocation of 10000000000 bytes failed")
            }
            (Self::Panic, Verdict::Crash { cause, detail }) => cause == "panic" && detail.contains("planted panic"),
            (Self::Error, Verdict::Fail { reason }) => reason.contains("planted error"),
            (Self::MutatedInput, Verdict::Fail { reason }) => reason.contains("was changed"),
            // Run 2 of the repetition is the fourth call.
            (Self::WrongLater, Verdict::Fail { reason }) => {
                deterministic && reason.starts_with("broken at rung repeat: run 2 differs; ")
            }
            (Self::WrongLater, Verdict::Pass) => !deterministic,
            // The shrunken problem is the smallest that has an output at all.
            (Self::RightForOneShape, Verdict::Fail { reason }) => {
                reason.contains("of its random problems, the smallest that fails is b1_s1_d1_t1_f32")
            }
            (Self::RareValue, Verdict::Fail { .. }) => !deterministic,
            (Self::HungKernel, Verdict::Timeout { .. }) => true,
            (Self::WildStore, Verdict::Fail { reason }) => reason.contains("CUDA_ERROR_ILLEGAL_ADDRESS"),
            (Self::Chained, Verdict::Pass) => deterministic || !cell.operator.starts_with("fuse"),
            // Two streams.
            (Self::Chained, Verdict::Fail { reason }) => {
                !deterministic && reason.starts_with("launches of `fuse_*`: 2 (") && reason.ends_with(", budget 1")
            }
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

impl Defect {
    /// Whether this is the verdict that this defect must draw when it is timed: what gives the same wrong bits each time
    /// is no business of a benchmark.
    fn is_right_while_timed(self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Self::None | Self::FlippedBit, Verdict::Pass) => true,
            (Self::WrongLater, Verdict::Fail { reason }) => {
                reason.contains("has other bits after a timed call (cold, buffers 0) than after a plain one")
            }
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

    fn kernels(&self) -> Vec<&str> {
        self.inner.kernels()
    }

    fn problem(&self, dtype: DType, parameters: &Parameters) -> Result<Box<dyn Problem>, InvalidParameter> {
        let inner = self.inner.problem(dtype, parameters)?;
        let defect = match self.defect {
            Defect::Chained if self.inner.name() != "fuse" => Defect::None,
            defect => defect,
        };
        Ok(Box::new(BrokenProblem { inner, defect, calls: AtomicU32::new(0) }))
    }
}

struct BrokenProblem {
    inner: Box<dyn Problem>,
    defect: Defect,
    calls: AtomicU32,
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
            Defect::None | Defect::HungKernel | Defect::WildStore | Defect::Chained => {
                self.inner.run_cpu(inputs, outputs, options)
            }
            Defect::FlippedBit => {
                self.inner.run_cpu(inputs, outputs, options)?;
                let bytes = outputs[0].bytes_mut();
                let last = bytes.len() - 1;
                bytes[last] ^= 0x40;
                Ok(())
            }
            Defect::WrongLater => {
                self.inner.run_cpu(inputs, outputs, options)?;
                if self.calls.fetch_add(1, Ordering::Relaxed) >= 3 {
                    outputs[0].bytes_mut()[0] ^= 1;
                }
                Ok(())
            }
            Defect::RightForOneShape => {
                self.inner.run_cpu(inputs, outputs, options)?;
                let tried = outputs[0].shape().extents() == [2, 7, 5];
                if let Some(first) = outputs[0].bytes_mut().first_mut().filter(|_| !tried) {
                    *first ^= 1;
                }
                Ok(())
            }
            Defect::RareValue => {
                self.inner.run_cpu(inputs, outputs, options)?;
                // One word in a thousand.
                let is_rare = |word: &[u8]| word[0] == 0x5A && word[1] & 3 == 0;
                if inputs[0].bytes().chunks_exact(4).any(is_rare)
                    && let Some(first) = outputs[0].bytes_mut().first_mut()
                {
                    *first ^= 1;
                }
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

    fn cuda(&self) -> Option<&dyn CudaProblem> {
        match self.defect {
            Defect::None | Defect::HungKernel | Defect::WildStore | Defect::Chained => Some(self),
            Defect::FlippedBit
            | Defect::SkippedTail
            | Defect::Nan
            | Defect::EndlessLoop
            | Defect::Abort
            | Defect::HugeAllocation
            | Defect::Panic
            | Defect::Error
            | Defect::MutatedInput
            | Defect::WrongLater
            | Defect::RareValue
            | Defect::RightForOneShape => None,
        }
    }

    fn bytes_moved(&self, inputs: &[HostTensor]) -> u64 {
        self.inner.bytes_moved(inputs)
    }
}

impl CudaProblem for BrokenProblem {
    fn workspace_bytes(&self) -> usize {
        self.inner.cuda().map_or(0, CudaProblem::workspace_bytes)
    }

    fn enqueue(&self, call: Call<'_>) -> Result<(), CudaError> {
        match self.defect {
            Defect::HungKernel => launch("hang", &call),
            Defect::WildStore => launch("wild", &call),
            Defect::Chained => {
                let fuse = self.inner.cuda().expect("every real operator has one");
                let Call { stream, kernels, geometry, inputs, outputs, workspace } = call;
                // The targets, and then samples and times of each stream.
                (0..inputs.len() / 2).try_for_each(|_| {
                    fuse.enqueue(Call {
                        stream,
                        kernels,
                        geometry,
                        inputs,
                        outputs: &mut *outputs,
                        workspace: &mut *workspace,
                    })
                })
            }
            Defect::None
            | Defect::FlippedBit
            | Defect::SkippedTail
            | Defect::Nan
            | Defect::EndlessLoop
            | Defect::Abort
            | Defect::HugeAllocation
            | Defect::Panic
            | Defect::Error
            | Defect::MutatedInput
            | Defect::WrongLater
            | Defect::RareValue
            | Defect::RightForOneShape => self.inner.cuda().expect("every real operator has one").enqueue(call),
        }
    }
}

/// Two kernels that no release would hold.
const KERNELS: &CStr = c"
.version 7.0
.target sm_80
.address_size 64
.visible .entry hang() {
AGAIN:
    bra AGAIN;
}
.visible .entry wild() {
    .reg .b64 %address;
    .reg .b32 %value;
    mov.u64 %address, 16;
    mov.u32 %value, 1;
    st.global.u32 [%address], %value;
    ret;
}
";

/// Launches one of them. The module is never unloaded: the process does not outlive it for long.
fn launch(kernel: &str, call: &Call<'_>) -> Result<(), CudaError> {
    let name = CString::new(kernel).expect("no NUL");
    // SAFETY: the text ends with a NUL and the session's context is current; the kernels take no argument. What they do
    // to the device is the point.
    let launched = unsafe {
        result::module::load_data(KERNELS.as_ptr().cast())
            .and_then(|module| result::module::get_function(module, name))
            .and_then(|function| result::launch_kernel(function, (1, 1, 1), (1, 1, 1), 0, call.stream.raw(), &mut []))
    };
    launched.map_err(|error| CudaError::Unavailable(format!("the planted kernel cannot be launched: {error:?}")))
}
