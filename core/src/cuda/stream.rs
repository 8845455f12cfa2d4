//! A queue of work on a GPU.

use std::ffi::c_void;

use cudarc::driver::{
    result::{self, stream::StreamKind},
    sys::{self, CUdeviceptr, CUevent_wait_flags, CUlaunchConfig, CUresult, CUstream, CUstreamCaptureMode},
};

use super::{Context, CudaError, Event, Graph, Kernel, KernelArgument, Launch, error::During};

/// A stream that does not wait for the default stream, nor the default stream for it.
pub struct Stream {
    raw: CUstream,
    context: Context,
}

impl Stream {
    /// A new stream.
    pub fn new(context: &Context) -> Result<Self, CudaError> {
        context.bind()?;
        let raw = result::stream::create(StreamKind::NonBlocking).during(|| "creating a stream".into())?;
        Ok(Self { raw, context: context.clone() })
    }

    /// The GPU whose work it queues.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The driver's handle, for launches that go past this type.
    pub fn raw(&self) -> CUstream {
        self.raw
    }

    /// Waits until everything enqueued so far is done, and reports an error that any of it met.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        self.context.bind()?;
        // SAFETY: the stream lives until `Drop`.
        unsafe { result::stream::synchronize(self.raw) }.during(|| "waiting for a stream".into())
    }

    /// Whether everything enqueued so far is done; reports an error that any of it met. It does not wait.
    pub fn is_done(&self) -> Result<bool, CudaError> {
        self.context.bind()?;
        // SAFETY: the stream lives until `Drop`.
        match unsafe { sys::cuStreamQuery(self.raw) } {
            CUresult::CUDA_ERROR_NOT_READY => Ok(false),
            status => status.result().during(|| "asking whether a stream is done".into()).map(|()| true),
        }
    }

    /// Has work that is enqueued here from now on wait for `event`.
    pub fn wait_for(&self, event: &Event) -> Result<(), CudaError> {
        self.context.bind()?;
        // SAFETY: stream and event live; the driver keeps what it needs of the event.
        unsafe { result::stream::wait_event(self.raw, event.raw(), CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT) }
            .during(|| "enqueueing a wait for an event".into())
    }

    /// Enqueues a memset.
    ///
    /// # Safety
    /// `bytes` bytes at `address` must be allocated on this stream's GPU until the work is done, and nothing else may
    /// use them meanwhile.
    pub unsafe fn fill(&self, address: CUdeviceptr, bytes: usize, pattern: u8) -> Result<(), CudaError> {
        if bytes == 0 {
            return Ok(());
        }
        self.context.bind()?;
        // SAFETY: passed on to the caller.
        unsafe { result::memset_d8_async(address, pattern, bytes, self.raw) }
            .during(|| format!("enqueueing a memset of {bytes} bytes"))
    }

    /// Enqueues a copy of all of `source` to the GPU.
    ///
    /// # Safety
    /// As many bytes as `source` has must be allocated at `address` on this stream's GPU, and both must live until the
    /// work is done, without any other use.
    pub unsafe fn copy_from_host(&self, address: CUdeviceptr, source: &[u8]) -> Result<(), CudaError> {
        if source.is_empty() {
            return Ok(());
        }
        self.context.bind()?;
        // SAFETY: passed on to the caller.
        unsafe { result::memcpy_htod_async(address, source, self.raw) }
            .during(|| format!("enqueueing a copy of {} bytes to the GPU", source.len()))
    }

    /// Enqueues a kernel on a one-dimensional grid.
    ///
    /// # Safety
    /// `arguments` must be those of the kernel's declaration, in number, order, size and meaning; every address in
    /// them must be valid for what the kernel does with it, until the work is done. A kernel may be launched
    /// [`super::Start::Early`] only if it waits for the previous one before it touches memory.
    pub unsafe fn launch(
        &self,
        kernel: Kernel<'_>,
        launch: Launch,
        arguments: &[&dyn KernelArgument],
    ) -> Result<(), CudaError> {
        self.context.bind()?;
        let Launch { blocks, threads, shared_bytes, start } = launch;
        let mut pointers: Vec<*mut c_void> = arguments
            .iter()
            .map(|&argument| std::ptr::from_ref::<dyn KernelArgument>(argument).cast::<c_void>().cast_mut())
            .collect();
        let mut attributes = start.attributes(&self.context);
        let configuration = CUlaunchConfig {
            gridDimX: blocks,
            gridDimY: 1,
            gridDimZ: 1,
            blockDimX: threads,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: shared_bytes,
            hStream: self.raw,
            attrs: attributes.as_mut_ptr(),
            numAttrs: attributes.len() as u32,
        };
        // SAFETY: the driver copies arguments and attributes before it returns; the rest is the caller's promise.
        unsafe {
            sys::cuLaunchKernelEx(&configuration, kernel.function, pointers.as_mut_ptr(), std::ptr::null_mut()).result()
        }
        .during(|| format!("launching {} on {blocks} blocks of {threads} threads", kernel.name))
    }

    /// Records what `enqueue` puts on this stream into a graph, without running it.
    pub fn capture(&self, enqueue: impl FnOnce(&Self) -> Result<(), CudaError>) -> Result<Graph, CudaError> {
        self.context.bind()?;
        // Thread-local: calls of other threads that must not be captured, such as allocations, still work.
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream lives; the capture is ended below on every path but a panic.
        unsafe { result::stream::begin_capture(self.raw, mode) }.during(|| "beginning a capture".into())?;
        let enqueued = enqueue(self);
        // SAFETY: this stream is capturing.
        let graph = unsafe { result::stream::end_capture(self.raw) }.during(|| "ending a capture".into());
        // The enqueued call's own error says more than the capture that it invalidated.
        match (enqueued, graph) {
            (Ok(()), Ok(raw)) => Graph::instantiate(&self.context, raw),
            (Ok(()), Err(error)) => Err(error),
            (Err(error), Ok(raw)) => {
                // SAFETY: the graph was just made and is used nowhere else.
                let _ = unsafe { result::graph::destroy(raw) };
                Err(error)
            }
            (Err(error), Err(_)) => Err(error),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: created in `new`; the driver lets enqueued work finish. An error means that the context is lost.
            let _ = unsafe { result::stream::destroy(self.raw) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn a_failed_capture_leaves_the_stream_usable() {
        let _alone = crate::cuda::alone();
        let stream = Stream::new(&Context::new(0).unwrap()).unwrap();
        let error = stream.capture(|_| Err(CudaError::UnknownKernel("none".into()))).err().unwrap();
        assert!(matches!(error, CudaError::UnknownKernel(_)));
        stream.synchronize().unwrap();
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn a_stream_is_done_once_its_work_is() {
        let _alone = crate::cuda::alone();
        let device = crate::cuda::Device::open(0).unwrap();
        let stream = Stream::new(device.context()).unwrap();
        assert!(stream.is_done().unwrap());
        let kernel = device.kernels().kernel("delay_nanoseconds").unwrap();
        // SAFETY: the argument is that of the kernel.
        unsafe { stream.launch(kernel, Launch::plain(1, 1), &[&200_000_000_u64]) }.unwrap();
        assert!(!stream.is_done().unwrap());
        stream.synchronize().unwrap();
        assert!(stream.is_done().unwrap());
    }
}
