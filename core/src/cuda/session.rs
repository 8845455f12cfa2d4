//! A problem on a GPU.

use super::{
    Call, CudaError, CudaProblem, Device, DeviceComparison, DeviceTensor, Event, Geometry, Graph, Stream, Workspace,
};
use crate::{
    operator::{Problem, RunError, check_tensors},
    session::{BrokenRepeat, RunOutcome, Session, Variation},
    tensor::HostTensor,
};

/// A problem with its inputs on a GPU. All its memory is allocated when it is made.
pub struct CudaSession<'a> {
    device: &'a Device,
    implementation: &'a dyn CudaProblem,
    stream: Stream,
    other_stream: Stream,
    input_hashes: Vec<blake3::Hash>,
    inputs: Vec<DeviceTensor>,
    outputs: Vec<DeviceTensor>,
    workspace: Workspace,
}

impl<'a> CudaSession<'a> {
    /// Uploads the inputs, which must satisfy [`Problem::check`], and allocates outputs and workspace.
    pub fn new(device: &'a Device, problem: &'a dyn Problem, inputs: &[HostTensor]) -> Result<Self, RunError> {
        check_tensors(&problem.inputs(), inputs)?;
        problem.check(inputs)?;
        let implementation =
            problem.cuda().ok_or_else(|| RunError::Other(format!("{} has no CUDA implementation", problem.name())))?;
        let context = device.context();
        let upload = |tensor: &HostTensor| DeviceTensor::from_host(context, tensor);
        Ok(Self {
            device,
            implementation,
            stream: Stream::new(context)?,
            other_stream: Stream::new(context)?,
            input_hashes: inputs.iter().map(HostTensor::hash).collect(),
            inputs: inputs.iter().map(upload).collect::<Result<_, _>>()?,
            outputs: problem
                .outputs()
                .into_iter()
                .map(|spec| DeviceTensor::zeros(context, spec))
                .collect::<Result<_, _>>()?,
            workspace: Workspace::new(context, implementation.workspace_bytes())?,
        })
    }

    /// Fills outputs and workspace with `pattern`, on the session's own stream.
    fn poison(&mut self, pattern: u8) -> Result<(), CudaError> {
        for output in &mut self.outputs {
            output.fill(&self.stream, pattern)?;
        }
        self.workspace.fill(&self.stream, pattern)
    }

    /// The GPU.
    pub(super) fn device(&self) -> &Device {
        self.device
    }

    /// The stream on which calls are enqueued.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Enqueues one call on the session's own stream.
    pub(super) fn enqueue(&mut self, geometry: Geometry) -> Result<(), CudaError> {
        enqueue_on(
            &self.stream,
            self.device,
            self.implementation,
            geometry,
            &self.inputs,
            &mut self.outputs,
            &mut self.workspace,
        )
    }

    /// Runs on the other stream, which waits for what was enqueued on the session's own.
    fn run_on_other_stream(&mut self) -> Result<(), CudaError> {
        let ready = Event::new(self.device.context())?;
        ready.record(&self.stream)?;
        self.other_stream.wait_for(&ready)?;
        enqueue_on(
            &self.other_stream,
            self.device,
            self.implementation,
            Geometry::default(),
            &self.inputs,
            &mut self.outputs,
            &mut self.workspace,
        )?;
        self.other_stream.synchronize()
    }

    /// A graph of one call. It holds the addresses of this session's memory.
    pub(super) fn capture(&mut self) -> Result<Graph, CudaError> {
        let Self { device, implementation, stream, inputs, outputs, workspace, .. } = self;
        stream.capture(|stream| {
            enqueue_on(stream, device, *implementation, Geometry::default(), inputs, outputs, workspace)
        })
    }

    /// Captures a call and replays it twice: the second time it meets its own leavings, under another poison.
    fn replay_graph(&mut self) -> Result<(), CudaError> {
        let graph = self.capture()?;
        // SAFETY: the captured tensors and the workspace belong to this session and live until the synchronisation.
        unsafe { graph.launch(&self.stream) }?;
        for output in &mut self.outputs {
            output.fill(&self.stream, 0x00)?;
        }
        // SAFETY: as above.
        unsafe { graph.launch(&self.stream) }?;
        self.stream.synchronize()
    }

    /// Brings everything to the host and looks for what a call must not do.
    fn outcome(&self) -> Result<RunOutcome, CudaError> {
        let inputs = self.inputs.iter().map(DeviceTensor::to_host).collect::<Result<Vec<_>, _>>()?;
        let outputs = self.outputs.iter().map(DeviceTensor::to_host).collect::<Result<Vec<_>, _>>()?;
        let workspace = self.workspace.to_host()?;
        let guard_violation =
            inputs.iter().chain(&outputs).chain([&workspace]).find_map(|tensor| tensor.check_guards().err());
        let mutated_input = inputs
            .iter()
            .zip(&self.input_hashes)
            .find(|(input, hash)| input.hash() != **hash)
            .map(|(input, _)| input.name().to_owned());
        Ok(RunOutcome { outputs, guard_violation, mutated_input })
    }
}

/// Enqueues a call. A function and not a method, so that the parts of a session can be borrowed one by one.
pub(crate) fn enqueue_on(
    stream: &Stream,
    device: &Device,
    implementation: &dyn CudaProblem,
    geometry: Geometry,
    inputs: &[DeviceTensor],
    outputs: &mut [DeviceTensor],
    workspace: &mut Workspace,
) -> Result<(), CudaError> {
    implementation.enqueue(Call { stream, kernels: device.kernels(), geometry, inputs, outputs, workspace })
}

impl Session for CudaSession<'_> {
    fn variations(&self) -> Vec<Variation> {
        let alternatives = if self.implementation.obeys_geometry() { Geometry::ALTERNATIVES.len() as u32 } else { 0 };
        let geometries = (0..alternatives).map(Variation::Geometry);
        [Variation::Plain { poison: 0xFF }, Variation::Reused, Variation::OtherStream, Variation::GraphReplay]
            .into_iter()
            .chain(geometries)
            .collect()
    }

    fn run(&mut self, variation: Variation) -> Result<RunOutcome, RunError> {
        match variation {
            Variation::Plain { poison } => {
                self.poison(poison)?;
                self.enqueue(Geometry::default())?;
            }
            Variation::Reused => self.enqueue(Geometry::default())?,
            Variation::OtherStream => {
                self.poison(0xFF)?;
                self.run_on_other_stream()?;
            }
            Variation::GraphReplay => {
                self.poison(0xFF)?;
                self.replay_graph()?;
            }
            Variation::Geometry(number) => {
                let geometry = Geometry::ALTERNATIVES
                    .get(number as usize)
                    .ok_or_else(|| RunError::Other(format!("there is no geometry {number}")))?;
                self.poison(0xFF)?;
                self.enqueue(*geometry)?;
            }
            Variation::Threads(_) | Variation::Instructions(_) => {
                return Err(RunError::Other(format!("{variation} means nothing on a GPU")));
            }
        }
        self.stream.synchronize()?;
        Ok(self.outcome()?)
    }

    fn repeat(&mut self, repeats: u64, expected: &[HostTensor]) -> Result<Option<BrokenRepeat>, RunError> {
        let context = self.device.context();
        let expected =
            expected.iter().map(|tensor| DeviceTensor::from_host(context, tensor)).collect::<Result<Vec<_>, _>>()?;
        let mut comparison = DeviceComparison::new(context)?;
        for run in 0..repeats {
            self.poison(if run % 2 == 0 { 0xFF } else { 0x00 })?;
            self.enqueue(Geometry::default())?;
            if !comparison.equal(self.device, &self.stream, &self.outputs, &expected)? {
                return Ok(Some(BrokenRepeat { run, outcome: self.outcome()? }));
            }
        }
        Ok(None)
    }
}
