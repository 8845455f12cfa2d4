//! `fuse` as a chain: the right bits, by one launch of `resample` for each stream and copies around it.

use cudarc::driver::result::{self, DriverError};
use robocache_core::{
    cuda::{Call, CudaError, CudaProblem, DeviceTensor, Stream, Workspace},
    dtype::DType,
    operator::Problem,
    operators,
    parameters::{Parameters, Value},
    tensor::HostTensor,
};

/// The links of a chain, with memory of their own. It is allocated at the first call, and kept.
pub(crate) struct Chain(Vec<Link>);

/// One stream.
struct Link {
    resample: Box<dyn Problem>,
    inputs: Vec<DeviceTensor>,
    outputs: Vec<DeviceTensor>,
    workspace: Workspace,
    /// Where its channels begin in a row of the output, in bytes.
    column_bytes: usize,
}

impl Chain {
    /// The chain of a problem of `fuse`.
    pub(crate) fn new(fuse: &dyn Problem, stream: &Stream) -> Result<Self, CudaError> {
        let registry = operators::registry();
        let operator = registry.get("resample").expect("a real operator");
        let specs = fuse.inputs();
        let (targets, streams) = (&specs[0], &specs[1..]);
        let times = if targets.dtype == DType::I64 { "i64" } else { "f32" };
        let context = stream.context();
        let mut column_bytes = 0;
        let links = streams.chunks_exact(2).map(|stream| {
            let &[batch, source, channels] = stream[0].shape.extents() else { unreachable!("x is [B,S,D]") };
            let target = targets.shape.extents()[1];
            let extents = [("b", batch), ("s", source), ("d", channels), ("t", target)];
            let extents = extents.map(|(name, extent)| (name.to_owned(), Value::Integer(extent as i64)));
            let times = ("times".to_owned(), Value::Word(times.to_owned()));
            let parameters = Parameters::new(extents.into_iter().chain([times]));
            let resample = operator.problem(stream[0].dtype, &parameters).expect("a stream of fuse is a problem");
            let zeros = |spec| DeviceTensor::from_host(context, &HostTensor::zeros(spec));
            let link = Link {
                inputs: resample.inputs().into_iter().map(zeros).collect::<Result<_, _>>()?,
                outputs: resample.outputs().into_iter().map(zeros).collect::<Result<_, _>>()?,
                workspace: Workspace::new(context, cuda_side(&*resample).workspace_bytes())?,
                column_bytes,
                resample,
            };
            column_bytes += channels * stream[0].dtype.size_bytes();
            Ok(link)
        });
        Ok(Self(links.collect::<Result<_, CudaError>>()?))
    }

    /// Enqueues a call of `fuse`, link by link.
    pub(crate) fn enqueue(&mut self, call: &Call<'_>) -> Result<(), CudaError> {
        let (targets, streams) = (&call.inputs[0], &call.inputs[1..]);
        let output = &call.outputs[0];
        for (link, stream) in self.0.iter_mut().zip(streams.chunks_exact(2)) {
            for (copy, original) in link.inputs.iter().zip([&stream[0], &stream[1], targets]) {
                // SAFETY: both tensors have the layout of the copy's spec; the link outlives the work, because the
                // problem that owns it outlives the session.
                let copied = unsafe {
                    result::memcpy_dtod_async(
                        copy.address(),
                        original.address(),
                        copy.spec().bytes(),
                        call.stream.raw(),
                    )
                };
                copied.map_err(failed)?;
            }
            let Link { resample, inputs, outputs, workspace, column_bytes } = link;
            cuda_side(&**resample).enqueue(Call {
                stream: call.stream,
                kernels: call.kernels,
                geometry: call.geometry,
                inputs,
                outputs,
                workspace,
            })?;
            copy_columns(&outputs[0], output, *column_bytes, call.stream).map_err(failed)?;
        }
        Ok(())
    }
}

fn cuda_side(problem: &dyn Problem) -> &dyn CudaProblem {
    problem.cuda().expect("every real operator has one")
}

/// Copies `part[B,T,D]` into the columns of `whole[B,T,sum D]` from `column_bytes` on.
fn copy_columns(
    part: &DeviceTensor,
    whole: &DeviceTensor,
    column_bytes: usize,
    stream: &Stream,
) -> Result<(), DriverError> {
    let row_bytes = |tensor: &DeviceTensor| {
        tensor.spec().shape.extents().last().copied().unwrap_or(0) * tensor.spec().dtype.size_bytes()
    };
    let [from, to] = [part, whole].map(row_bytes);
    for row in 0..(part.spec().bytes() / from) as u64 {
        let source = part.address() + row * from as u64;
        let destination = whole.address() + row * to as u64 + column_bytes as u64;
        // SAFETY: every row lies within both tensors, which outlive the work.
        unsafe { result::memcpy_dtod_async(destination, source, from, stream.raw()) }?;
    }
    Ok(())
}

fn failed(error: DriverError) -> CudaError {
    CudaError::Unavailable(format!("a planted copy failed: {error:?}"))
}
