//! A GPU that this process uses: its primary context and what is known of it.

use std::sync::Arc;

use cudarc::driver::{
    result,
    sys::{CUcontext, CUdevice, CUdevice_attribute},
};

use super::{
    CudaError,
    driver::{device_count, initialize},
    error::During,
};

/// The primary context of one GPU. Clones share it.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    device: CUdevice,
    context: CUcontext,
    properties: DeviceProperties,
}

// SAFETY: the driver API may be called from any thread; a handle says which context, and `bind` makes it current on the
// calling thread before each call that depends on it.
unsafe impl Send for Inner {}
// SAFETY: as above; nothing in `Inner` changes after it was made.
unsafe impl Sync for Inner {}

/// What identifies a GPU and sizes launches on it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeviceProperties {
    /// The index among the GPUs that this process may use.
    pub ordinal: usize,
    /// The product's name.
    pub name: String,
    /// `GPU-` and 32 hexadecimal digits in groups, as nvidia-smi writes it.
    pub uuid: String,
    /// Major and minor version of the compute capability, such as (9, 0).
    pub compute_capability: (u32, u32),
    /// Number of streaming multiprocessors.
    pub multiprocessors: u32,
    /// Device memory in bytes.
    pub memory_bytes: usize,
    /// Size of the L2 cache in bytes.
    pub l2_bytes: usize,
}

impl Context {
    /// Retains the primary context of the GPU with this index.
    pub fn new(ordinal: usize) -> Result<Self, CudaError> {
        initialize()?;
        let count = device_count()?;
        let index = match i32::try_from(ordinal) {
            Ok(index) if ordinal < count => index,
            Ok(_) | Err(_) => {
                return Err(CudaError::Unavailable(format!("GPU {ordinal} was asked for, but there are {count}")));
            }
        };
        let device = result::device::get(index).during(|| format!("opening GPU {ordinal}"))?;
        let properties = read_properties(device, ordinal).during(|| format!("reading properties of GPU {ordinal}"))?;
        // SAFETY: `device` was returned by the driver; `Drop` releases what is retained here.
        let context =
            unsafe { result::primary_ctx::retain(device) }.during(|| format!("creating a context on GPU {ordinal}"))?;
        let context = Self(Arc::new(Inner { device, context, properties }));
        context.bind()?;
        Ok(context)
    }

    /// Name, identity and size of the GPU.
    pub fn properties(&self) -> &DeviceProperties {
        &self.0.properties
    }

    /// Free and total device memory in bytes.
    pub fn memory(&self) -> Result<(usize, usize), CudaError> {
        self.bind()?;
        result::mem_get_info().during(|| "asking for free memory".into())
    }

    /// Waits for all work on the GPU's context, and reports an error that any of it met.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        self.bind()?;
        result::ctx::synchronize().during(|| "waiting for the GPU".into())
    }

    /// Makes this context current on the calling thread.
    pub(crate) fn bind(&self) -> Result<(), CudaError> {
        // SAFETY: the context was retained in `new` and is released only when the last clone drops.
        unsafe { result::ctx::set_current(self.0.context) }.during(|| "binding the context to a thread".into())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: retained once in `new`. An error is of no use here: after a sticky one everything fails until the
        // process ends.
        let _ = unsafe { result::primary_ctx::release(self.device) };
    }
}

fn read_properties(device: CUdevice, ordinal: usize) -> Result<DeviceProperties, result::DriverError> {
    let attribute = |attribute| {
        // SAFETY: `device` was returned by the driver.
        let value = unsafe { result::device::get_attribute(device, attribute) }?;
        Ok(u32::try_from(value).unwrap_or(0))
    };
    Ok(DeviceProperties {
        ordinal,
        name: result::device::get_name(device)?,
        uuid: format_uuid(result::device::get_uuid(device)?.bytes.map(|byte| byte as u8)),
        compute_capability: (
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        multiprocessors: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        // SAFETY: `device` was returned by the driver.
        memory_bytes: unsafe { result::device::total_mem(device) }?,
        l2_bytes: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)? as usize,
    })
}

fn format_uuid(bytes: [u8; 16]) -> String {
    let mut text = String::from("GPU");
    for (position, byte) in bytes.iter().enumerate() {
        if [0, 4, 6, 8, 10].contains(&position) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_written_as_nvidia_smi_does() {
        let bytes: [u8; 16] = std::array::from_fn(|position| 0x11 * position as u8);
        assert_eq!(format_uuid(bytes), "GPU-00112233-4455-6677-8899-aabbccddeeff");
    }

    #[test]
    fn a_missing_gpu_is_an_error_and_no_panic() {
        assert!(matches!(Context::new(usize::MAX), Err(CudaError::Unavailable(_))));
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn a_context_knows_its_gpu() {
        let _alone = crate::cuda::alone();
        let context = Context::new(0).unwrap();
        let (free, total) = context.memory().unwrap();
        assert!(free > 0 && free <= total);
        assert!(context.properties().multiprocessors > 0);
        context.synchronize().unwrap();
    }
}
