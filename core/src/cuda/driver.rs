//! The driver library: whether it is there, how new it is, and how many GPUs it sees.

use std::sync::OnceLock;

use cudarc::driver::{result, sys};

use super::{CudaError, error::During};

/// The CUDA version that a driver must support to run images of nvcc 13.0: 13.0, which is driver R580.
const OLDEST_CUDA: i32 = 13_000;

/// Loads and initialises the driver, unless that has happened. Everything else in this module's siblings comes after:
/// cudarc panics when it calls into a library that is not there.
pub(super) fn initialize() -> Result<(), CudaError> {
    static PRESENT: OnceLock<bool> = OnceLock::new();
    // SAFETY: only opens and closes libcuda, whose constructors have no preconditions.
    if !*PRESENT.get_or_init(|| unsafe { sys::is_culib_present() }) {
        return Err(CudaError::Unavailable(
            "libcuda.so was not found: install an NVIDIA driver (R580 or newer)".into(),
        ));
    }
    let version = driver_cuda_version()?;
    if version < OLDEST_CUDA {
        return Err(CudaError::Unavailable(format!(
            "the driver supports CUDA {}, but the kernels need CUDA {}: install driver R580 or newer",
            dotted(version),
            dotted(OLDEST_CUDA),
        )));
    }
    result::init()
        .during(|| "initialising the driver".into())
        .map_err(|error| CudaError::Unavailable(format!("{error}; does nvidia-smi list a GPU?")))
}

/// The number of GPUs that this process may use.
pub fn device_count() -> Result<usize, CudaError> {
    initialize()?;
    let count = result::device::get_count().during(|| "counting GPUs".into())?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The newest CUDA version that the driver supports, such as `13.0`.
pub fn driver_version() -> Result<String, CudaError> {
    initialize()?;
    driver_cuda_version().map(dotted)
}

fn driver_cuda_version() -> Result<i32, CudaError> {
    let mut version = 0;
    // SAFETY: the pointer is valid for the call; this function may precede cuInit.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result().during(|| "asking for the driver's version".into())?;
    Ok(version)
}

/// 13000 -> 13.0, 12080 -> 12.8.
fn dotted(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_written_as_people_say_them() {
        assert_eq!(dotted(13_000), "13.0");
        assert_eq!(dotted(12_080), "12.8");
    }

    #[test]
    fn a_missing_driver_is_an_error_and_no_panic() {
        match device_count() {
            Ok(_) => assert!(driver_version().is_ok()),
            Err(CudaError::Unavailable(reason)) => assert!(!reason.is_empty()),
            Err(other) => panic!("{other}"),
        }
    }
}
