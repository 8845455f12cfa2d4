//! Why a GPU gave no result.

use cudarc::driver::{DriverError, sys::CUresult};
use robocache_kernels::MissingImage;

use super::KernelFileError;

/// A failure of the driver, of a launch or of a missing library.
#[derive(Debug, thiserror::Error)]
pub enum CudaError {
    /// No usable driver or GPU, or an image without code for it.
    #[error("CUDA is not available: {0}")]
    Unavailable(String),
    /// This build has no kernels.
    #[error(transparent)]
    NoKernels(#[from] MissingImage),
    /// The file in the place of the kernels of this build cannot be used.
    #[error(transparent)]
    KernelFile(#[from] KernelFileError),
    /// A driver call failed.
    #[error("{doing}: {name} ({code}): {description}")]
    Driver {
        /// What was being done, such as `allocating 4096 bytes`.
        doing: String,
        /// The `CUresult`.
        code: u32,
        /// Its name, such as `CUDA_ERROR_ILLEGAL_ADDRESS`.
        name: String,
        /// The driver's own sentence about it.
        description: String,
    },
    /// The image has no kernel of this name.
    #[error("the kernel image has no `{0}`")]
    UnknownKernel(String),
    /// The implementation under test returned an error of its own.
    #[error("{0}")]
    Implementation(String),
}

impl CudaError {
    /// The `CUresult`, where the driver gave one.
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Driver { code, .. } => Some(*code),
            Self::Unavailable(_)
            | Self::NoKernels(_)
            | Self::KernelFile(_)
            | Self::UnknownKernel(_)
            | Self::Implementation(_) => None,
        }
    }

    /// Whether the context is lost: every later call in this process fails, so the process must be replaced.
    pub fn is_sticky(&self) -> bool {
        self.code().is_some_and(is_sticky)
    }

    /// Whether the device ran out of memory; the context is still usable.
    pub fn is_out_of_memory(&self) -> bool {
        self.code() == Some(CUresult::CUDA_ERROR_OUT_OF_MEMORY as u32)
    }
}

/// Codes after which the context is lost: illegal address, launch timeout, device assert, and hardware stack error to
/// launch failure.
fn is_sticky(code: u32) -> bool {
    matches!(code, 700 | 702 | 710 | 714..=719)
}

/// Gives a driver's error the words that say what was being done.
pub(crate) trait During<T> {
    /// Adds what was being done, such as `launching resample_f32_f32`.
    fn during(self, doing: impl FnOnce() -> String) -> Result<T, CudaError>;
}

impl<T> During<T> for Result<T, DriverError> {
    fn during(self, doing: impl FnOnce() -> String) -> Result<T, CudaError> {
        self.map_err(|error| {
            let text = |text: Result<&std::ffi::CStr, DriverError>| {
                text.map_or_else(|_| "unknown to this driver".to_owned(), |text| text.to_string_lossy().into_owned())
            };
            CudaError::Driver {
                doing: doing(),
                code: error.0 as u32,
                name: text(error.error_name()),
                description: text(error.error_string()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver_error(code: u32) -> CudaError {
        CudaError::Driver { doing: "testing".into(), code, name: "NAME".into(), description: "words".into() }
    }

    #[test]
    fn sticky_codes_are_those_that_lose_the_context() {
        let sticky: Vec<u32> = (0..1000).filter(|&code| driver_error(code).is_sticky()).collect();
        assert_eq!(sticky, [700, 702, 710, 714, 715, 716, 717, 718, 719]);
    }

    #[test]
    fn running_out_of_memory_is_not_sticky() {
        let error = driver_error(2);
        assert!(error.is_out_of_memory() && !error.is_sticky());
    }

    #[test]
    fn an_error_says_what_was_being_done() {
        assert_eq!(driver_error(700).to_string(), "testing: NAME (700): words");
    }
}
