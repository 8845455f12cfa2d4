//! A problem whose implementation is a subject. Everything else stays the problem's own.

use std::{
    ffi::c_void,
    sync::{Mutex, PoisonError},
};

use super::{
    Place, Subject,
    call::{self, Memory},
};
use crate::{
    cpu::CpuOptions,
    cuda::{self, CudaError, CudaProblem, DeviceTensor},
    distribution::Distribution,
    dtype::DType,
    operator::{InvalidInput, Problem, Relation, RunError, RunProblem, check_tensors},
    operators::Definition,
    random::Seed,
    reference::Reference,
    tensor::{HostTensor, TensorSpec},
};

/// What scratch memory holds before the first call.
const WORKSPACE_POISON: u8 = 0xFF;

/// A problem, and the subject that computes it.
pub(super) struct SubjectProblem<'a> {
    subject: &'static Subject,
    record: Record<'a>,
    /// On the CPU: scratch memory, kept from call to call, so that a call meets what the last one left.
    workspace: Mutex<Option<HostTensor>>,
}

enum Record<'a> {
    Owned(Box<dyn Problem>),
    Borrowed(&'a dyn Problem),
}

impl<'a> SubjectProblem<'a> {
    /// A problem of an operator that the subject exports.
    pub(super) fn owning(subject: &'static Subject, problem: Box<dyn Problem>) -> Self {
        Self { subject, record: Record::Owned(problem), workspace: Mutex::default() }
    }

    fn borrowing(subject: &'static Subject, problem: &'a dyn Problem) -> Self {
        Self { subject, record: Record::Borrowed(problem), workspace: Mutex::default() }
    }

    fn record(&self) -> &dyn Problem {
        match &self.record {
            Record::Owned(problem) => &**problem,
            Record::Borrowed(problem) => *problem,
        }
    }

    fn as_data(&self) -> Definition<'_> {
        self.record().definition().expect("a subject takes no other problems")
    }

    fn call_cpu(&self, inputs: &[HostTensor], outputs: &mut [HostTensor]) -> Result<(), RunError> {
        let definition = self.as_data();
        let mut workspace = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
        if workspace.is_none() {
            *workspace = Some(new_workspace(call::workspace_bytes(self.subject, definition))?);
        }
        let scratch = workspace.as_mut().expect("it was just made");
        let memory = Memory {
            inputs: inputs.iter().map(|tensor| tensor.bytes().as_ptr().cast::<c_void>()).collect(),
            outputs: outputs.iter_mut().map(|tensor| tensor.bytes_mut().as_mut_ptr().cast::<c_void>()).collect(),
            workspace: non_empty(scratch.bytes_mut()),
            workspace_bytes: scratch.bytes().len() as u64,
        };
        // SAFETY: the tensors are those of the problem, as was just checked, and borrowed until the call returns.
        unsafe { call::launch(self.subject, definition, &memory, std::ptr::null_mut()) }.map_err(RunError::Other)?;
        scratch.check_guards().map_err(|violation| RunError::Other(violation.to_string()))
    }
}

/// Scratch memory on the host.
fn new_workspace(bytes: u64) -> Result<HostTensor, RunError> {
    let too_large =
        || RunError::Other(format!("the subject asks for {bytes} bytes of workspace: no machine has so many"));
    let words = usize::try_from(bytes.div_ceil(DType::I64.size_bytes() as u64)).map_err(|_| too_large())?;
    let spec = TensorSpec::new("workspace", DType::I64, [words]).map_err(|_| too_large())?;
    Ok(HostTensor::poisoned(spec, WORKSPACE_POISON))
}

fn non_empty(bytes: &mut [u8]) -> *mut c_void {
    if bytes.is_empty() { std::ptr::null_mut() } else { bytes.as_mut_ptr().cast::<c_void>() }
}

impl Problem for SubjectProblem<'_> {
    fn name(&self) -> String {
        self.record().name()
    }

    fn inputs(&self) -> Vec<TensorSpec> {
        self.record().inputs()
    }

    fn outputs(&self) -> Vec<TensorSpec> {
        self.record().outputs()
    }

    fn generate(&self, distribution: Distribution, seed: Seed) -> Vec<HostTensor> {
        self.record().generate(distribution, seed)
    }

    fn check(&self, inputs: &[HostTensor]) -> Result<(), InvalidInput> {
        self.record().check(inputs)
    }

    fn reference(&self, inputs: &[HostTensor]) -> Reference {
        self.record().reference(inputs)
    }

    /// Calls a subject on the CPU. Beside one on a GPU the CPU stays this crate's: the two must agree.
    fn run_cpu(&self, inputs: &[HostTensor], outputs: &mut [HostTensor], options: CpuOptions) -> Result<(), RunError> {
        match self.subject.description().device {
            Place::Cpu => {
                check_tensors(&self.inputs(), inputs)?;
                check_tensors(&self.outputs(), outputs)?;
                self.call_cpu(inputs, outputs)
            }
            Place::Cuda => self.record().run_cpu(inputs, outputs, options),
        }
    }

    fn obeys_cpu_options(&self) -> bool {
        match self.subject.description().device {
            Place::Cpu => false,
            Place::Cuda => self.record().obeys_cpu_options(),
        }
    }

    fn cuda(&self) -> Option<&dyn CudaProblem> {
        match self.subject.description().device {
            Place::Cpu => None,
            Place::Cuda => Some(self),
        }
    }

    fn definition(&self) -> Option<Definition<'_>> {
        self.record().definition()
    }

    fn builtin(&self) -> Option<&dyn Problem> {
        Some(self.record())
    }

    fn bytes_moved(&self, inputs: &[HostTensor]) -> u64 {
        self.record().bytes_moved(inputs)
    }

    fn relations(&self) -> Vec<Box<dyn Relation + '_>> {
        let through = |relation| Box::new(ThroughSubject { subject: self.subject, relation }) as Box<dyn Relation + '_>;
        self.record().relations().into_iter().map(through).collect()
    }
}

impl CudaProblem for SubjectProblem<'_> {
    fn workspace_bytes(&self) -> usize {
        // What is too much for an address is too much for every GPU, which says so.
        usize::try_from(call::workspace_bytes(self.subject, self.as_data())).unwrap_or(usize::MAX)
    }

    fn obeys_geometry(&self) -> bool {
        false
    }

    fn enqueue(&self, call: cuda::Call<'_>) -> Result<(), CudaError> {
        let cuda::Call { stream, kernels: _, geometry: _, inputs, outputs, workspace } = call;
        stream.context().bind()?;
        let address = |tensor: &DeviceTensor| tensor.address() as *mut c_void;
        let memory = Memory {
            inputs: inputs.iter().map(|tensor| address(tensor).cast_const()).collect(),
            outputs: outputs.iter().map(address).collect(),
            workspace: if workspace.bytes() == 0 { std::ptr::null_mut() } else { workspace.address() as *mut c_void },
            workspace_bytes: workspace.bytes() as u64,
        };
        // SAFETY: the tensors of a call are those of its problem, and live until the caller has waited; the stream's context
        // is current.
        let launched = unsafe { call::launch(self.subject, self.as_data(), &memory, stream.raw().cast::<c_void>()) };
        launched.map_err(|message| match stream.context().memory() {
            // A context that is lost refuses everything: then the process is lost too, whatever the subject says.
            Err(error) if error.is_sticky() => error,
            Ok(_) | Err(_) => CudaError::Implementation(message),
        })
    }
}

/// A relation whose related problems the subject computes too, as far as it exports their operators.
struct ThroughSubject<'a> {
    subject: &'static Subject,
    relation: Box<dyn Relation + 'a>,
}

impl Relation for ThroughSubject<'_> {
    fn name(&self) -> &'static str {
        self.relation.name()
    }

    fn follow_up(&self, inputs: &[HostTensor], seed: Seed, run: RunProblem<'_>) -> Result<Vec<HostTensor>, RunError> {
        self.relation.follow_up(inputs, seed, &mut |problem, inputs| match problem.definition() {
            Some(definition) if self.subject.exports(definition) => {
                run(&SubjectProblem::borrowing(self.subject, problem), inputs)
            }
            Some(_) | None => run(problem, inputs),
        })
    }
}
