//! A mark in a stream: other streams wait for it, and the time between two is measured on the GPU.

use cudarc::driver::{
    result,
    sys::{CUevent, CUevent_flags},
};

use super::{Context, CudaError, Stream, error::During};

/// An event that keeps the time at which the GPU reached it.
pub struct Event {
    raw: CUevent,
    context: Context,
}

impl Event {
    /// An event that is not yet recorded.
    pub fn new(context: &Context) -> Result<Self, CudaError> {
        context.bind()?;
        let raw = result::event::create(CUevent_flags::CU_EVENT_DEFAULT).during(|| "creating an event".into())?;
        Ok(Self { raw, context: context.clone() })
    }

    pub(super) fn raw(&self) -> CUevent {
        self.raw
    }

    /// Marks the end of what has been enqueued on `stream` so far.
    pub fn record(&self, stream: &Stream) -> Result<(), CudaError> {
        self.context.bind()?;
        // SAFETY: event and stream live.
        unsafe { result::event::record(self.raw, stream.raw()) }.during(|| "recording an event".into())
    }

    /// Waits until the GPU has reached the mark.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        self.context.bind()?;
        // SAFETY: the event lives.
        unsafe { result::event::synchronize(self.raw) }.during(|| "waiting for an event".into())
    }

    /// Milliseconds from `start` to this event, both recorded and reached; resolution about 0.5 microseconds.
    pub fn milliseconds_since(&self, start: &Self) -> Result<f32, CudaError> {
        self.context.bind()?;
        // SAFETY: both events live.
        unsafe { result::event::elapsed(start.raw, self.raw) }.during(|| "measuring between two events".into())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: created in `new`. An error means that the context is lost, and the event with it.
            let _ = unsafe { result::event::destroy(self.raw) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn time_passes_between_two_events() {
        let _alone = crate::cuda::alone();
        let context = Context::new(0).unwrap();
        let stream = Stream::new(&context).unwrap();
        let (start, end) = (Event::new(&context).unwrap(), Event::new(&context).unwrap());
        start.record(&stream).unwrap();
        end.record(&stream).unwrap();
        end.synchronize().unwrap();
        assert!(end.milliseconds_since(&start).unwrap() >= 0.0);
    }
}
