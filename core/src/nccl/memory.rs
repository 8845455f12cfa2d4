//! Memory of a rank's GPU.

use std::{rc::Rc, sync::Arc};

use super::handle::Handle;
use crate::{
    collective::{Mismatch, Origin, Pattern, Patterned},
    communicator::{CommunicatorError, Memory},
    cuda::{DeviceBuffer, DevicePatterns},
};

/// Memory of the rank's GPU, in which patterns are written and checked by its kernels.
///
/// Freeing it waits for the GPU. Where a step that works on it was not waited for, the communicator is aborted first, as the
/// step might wait for a lost rank for ever.
pub struct NcclMemory {
    buffer: DeviceBuffer,
    patterns: Rc<DevicePatterns>,
    handle: Arc<Handle>,
    /// The last step that works on it.
    last_step: u64,
}

impl NcclMemory {
    /// Memory filled with zeros.
    pub(super) fn new(
        bytes: usize,
        patterns: &Rc<DevicePatterns>,
        handle: &Arc<Handle>,
    ) -> Result<Self, CommunicatorError> {
        let mut buffer = DeviceBuffer::new(handle.context(), bytes)?;
        patterns.poison(&mut buffer, 0, bytes, 0)?;
        Ok(Self { buffer, patterns: Rc::clone(patterns), handle: Arc::clone(handle), last_step: 0 })
    }

    /// Where it lies on the GPU, for work that goes past this type.
    pub fn buffer(&self) -> &DeviceBuffer {
        &self.buffer
    }

    /// Whether it was allocated by the communicator of this handle.
    pub(super) fn belongs_to(&self, handle: &Arc<Handle>) -> bool {
        Arc::ptr_eq(&self.handle, handle)
    }

    /// Notes that a step works on it from now on.
    pub(super) fn note_step(&mut self, step: u64) {
        self.last_step = step;
    }
}

impl Drop for NcclMemory {
    fn drop(&mut self) {
        if !self.handle.has_waited_for(self.last_step) {
            self.handle.abort();
        }
    }
}

impl Memory for NcclMemory {
    fn bytes(&self) -> usize {
        self.buffer.bytes()
    }

    fn write(&mut self, offset: usize, source: &[u8]) -> Result<(), CommunicatorError> {
        Ok(self.patterns.write(&mut self.buffer, offset, source)?)
    }

    fn read(&self, offset: usize, destination: &mut [u8]) -> Result<(), CommunicatorError> {
        Ok(self.buffer.read_at(offset, destination)?)
    }
}

impl Patterned for NcclMemory {
    fn fill(
        &mut self,
        offset: usize,
        elements: usize,
        pattern: &Pattern,
        origin: Origin,
    ) -> Result<(), CommunicatorError> {
        Ok(self.patterns.fill(&mut self.buffer, offset, elements, pattern, origin)?)
    }

    fn poison(&mut self, offset: usize, bytes: usize, byte: u8) -> Result<(), CommunicatorError> {
        Ok(self.patterns.poison(&mut self.buffer, offset, bytes, byte)?)
    }

    fn check(
        &self,
        offset: usize,
        elements: usize,
        pattern: &Pattern,
        origin: Origin,
    ) -> Result<Option<Mismatch>, CommunicatorError> {
        Ok(self.patterns.check(&self.buffer, offset, elements, pattern, origin)?)
    }
}
