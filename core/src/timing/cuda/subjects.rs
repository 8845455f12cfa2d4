//! What is timed on a GPU: a call and a copy, with the buffers over which they are rotated.

use crate::{
    cuda::{
        CudaError, CudaProblem, Device, DeviceBuffer, DeviceTensor, Geometry, Launch, Start, Stream, Workspace,
        enqueue_on,
    },
    operator::{Problem, RunError},
    tensor::HostTensor,
    timing::rotation,
};

/// Threads of a block that copies, each with four words of 16 bytes on their way.
const COPY_THREADS: u32 = 256;
const COPY_WORDS_PER_BLOCK: u64 = 4 * COPY_THREADS as u64;

/// A call and a copy, each with its buffers.
pub(super) struct Subjects<'a> {
    pub(super) device: &'a Device,
    pub(super) implementation: &'a dyn CudaProblem,
    pub(super) sets: Vec<BufferSet>,
    pub(super) copy: CopyBuffers,
}

/// The buffers of one call.
pub(super) struct BufferSet {
    pub(super) inputs: Vec<DeviceTensor>,
    pub(super) outputs: Vec<DeviceTensor>,
    pub(super) workspace: Workspace,
}

/// As many parts of `stride` bytes in either buffer as copies are rotated over.
pub(super) struct CopyBuffers {
    pub(super) source: DeviceBuffer,
    pub(super) destination: DeviceBuffer,
    pub(super) bytes: usize,
    pub(super) stride: usize,
    pub(super) sets: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Subject {
    Call,
    Copy,
}

impl<'a> Subjects<'a> {
    pub(super) fn new(
        device: &'a Device,
        problem: &dyn Problem,
        implementation: &'a dyn CudaProblem,
        inputs: &[HostTensor],
        bytes_moved: u64,
    ) -> Result<Self, RunError> {
        let context = device.context();
        let (free, _) = context.memory()?;
        // A tenth stays free for the driver; calls and copies get the same share of the rest.
        let budget = free / 20 * 9;
        let copy = CopyBuffers::new(device, bytes_moved as usize / 2, budget)?;
        let tensors = inputs.iter().map(HostTensor::spec).cloned().chain(problem.outputs());
        let set_bytes = tensors.map(|spec| spec.bytes()).sum::<usize>() + implementation.workspace_bytes();
        let sets = sets(set_bytes, device, budget)?;
        let upload = |tensor: &HostTensor| DeviceTensor::from_host(context, tensor);
        let set = |_| {
            let outputs = problem.outputs().into_iter().map(|spec| DeviceTensor::zeros(context, spec));
            Ok::<_, CudaError>(BufferSet {
                inputs: inputs.iter().map(upload).collect::<Result<_, _>>()?,
                outputs: outputs.collect::<Result<_, _>>()?,
                workspace: Workspace::new(context, implementation.workspace_bytes())?,
            })
        };
        let sets = (0..sets).map(set).collect::<Result<_, _>>()?;
        Ok(Self { device, implementation, sets, copy })
    }

    /// Over how many sets the cold series rotates.
    pub(super) fn sets(&self, subject: Subject) -> usize {
        match subject {
            Subject::Call => self.sets.len(),
            Subject::Copy => self.copy.sets,
        }
    }

    pub(super) fn enqueue(&mut self, stream: &Stream, subject: Subject, set: usize) -> Result<(), CudaError> {
        match subject {
            Subject::Call => {
                let BufferSet { inputs, outputs, workspace } = &mut self.sets[set];
                let geometry = Geometry::default();
                enqueue_on(stream, self.device, self.implementation, geometry, inputs, outputs, workspace)
            }
            Subject::Copy => {
                let offset = (set * self.copy.stride) as u64;
                let (source, destination) =
                    (self.copy.source.address() + offset, self.copy.destination.address() + offset);
                let words = self.copy.bytes.div_ceil(16) as u64;
                let blocks = u32::try_from(words.div_ceil(COPY_WORDS_PER_BLOCK)).unwrap_or(i32::MAX as u32).max(1);
                let launch = Launch { start: Start::Early, ..Launch::plain(blocks, COPY_THREADS) };
                let kernel = self.device.kernels().kernel("copy_words")?;
                // SAFETY: the arguments are those of the kernel, which waits for the previous one; both buffers hold `sets`
                // parts of `stride` bytes, a multiple of 16, and live as long as this stopwatch, which waits for every
                // batch.
                unsafe { stream.launch(kernel, launch, &[&source, &destination, &words]) }
            }
        }
    }

    /// Fills outputs and workspaces of all sets.
    pub(super) fn poison(&mut self, stream: &Stream) -> Result<(), CudaError> {
        for set in &mut self.sets {
            for output in &mut set.outputs {
                output.fill(stream, 0xFF)?;
            }
            set.workspace.fill(stream, 0xFF)?;
        }
        stream.synchronize()
    }
}

impl CopyBuffers {
    /// Room for copies of `bytes` bytes, at least one.
    pub(super) fn new(device: &Device, bytes: usize, budget: usize) -> Result<Self, RunError> {
        let context = device.context();
        let bytes = bytes.max(1);
        let stride = bytes.next_multiple_of(256);
        let sets = sets(2 * stride, device, budget)?;
        Ok(Self {
            source: DeviceBuffer::new(context, sets * stride)?,
            destination: DeviceBuffer::new(context, sets * stride)?,
            bytes,
            stride,
            sets,
        })
    }
}

/// The number of sets of `set_bytes`, or that there is no room for two.
fn sets(set_bytes: usize, device: &Device, budget: usize) -> Result<usize, RunError> {
    rotation::sets(set_bytes, device.context().properties().l2_bytes, budget).ok_or_else(|| {
        RunError::Other(format!(
            "timing rotates over at least two sets of buffers, here of {set_bytes} bytes, but only {budget} bytes are \
             left for them on the GPU"
        ))
    })
}
