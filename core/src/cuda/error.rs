//! Why a GPU gave no result.

/// A failure of the driver, of a launch or of a missing library.
#[derive(Debug, thiserror::Error)]
pub enum CudaError {
    /// No usable driver or GPU, or an image without code for it.
    #[error("CUDA is not available: {0}")]
    Unavailable(String),
}
