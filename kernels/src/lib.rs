//! CUDA kernels of RoboCache: one image for every supported GPU, embedded in the library.
//!
//! The device code lies beside this crate's manifest, one operator family a file, and `build.rs` compiles it with nvcc.
//! This crate hands out the bytes and says what they are; it loads nothing and knows no driver. On a machine without
//! nvcc it still builds, and [`IMAGE`] says what is missing.
//!
//! Kernels are `extern "C"` and named `operator_dtype_time` ([`symbols`] lists them).

use std::error::Error;
use std::fmt;

pub mod limits;
pub mod nvcc;
pub mod symbols;

/// The kernel image of this build.
pub static IMAGE: Image = include!(concat!(env!("OUT_DIR"), "/image.rs"));

/// What the build made of the kernels.
#[derive(Debug)]
pub enum Image {
    /// nvcc compiled them.
    Embedded(EmbeddedImage),
    /// No nvcc was found.
    Missing(MissingImage),
}

impl Image {
    /// The embedded image, or the error that says how to get one.
    pub fn embedded(&self) -> Result<&EmbeddedImage, &MissingImage> {
        match self {
            Self::Embedded(image) => Ok(image),
            Self::Missing(missing) => Err(missing),
        }
    }
}

/// A fatbin and where it came from.
pub struct EmbeddedImage {
    /// The fatbin, aligned to 16 bytes, as `cuModuleLoadData` takes it.
    pub bytes: &'static [u8],
    /// BLAKE3 hash of `bytes` in hexadecimal: the identity of the kernels in evidence.
    pub blake3: &'static str,
    /// nvcc's own description of its version.
    pub compiler: &'static str,
    /// Machine code (`sm_90`) and PTX (`compute_80`) in the image.
    pub architectures: &'static [&'static str],
}

impl fmt::Debug for EmbeddedImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EmbeddedImage")
            .field("bytes", &self.bytes.len())
            .field("blake3", &self.blake3)
            .field("compiler", &self.compiler)
            .field("architectures", &self.architectures)
            .finish()
    }
}

/// The library was built on a machine without nvcc.
#[derive(Clone, Debug)]
pub struct MissingImage {
    /// Where nvcc was looked for.
    pub searched: &'static [&'static str],
}

impl fmt::Display for MissingImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "this build has no CUDA kernels, because nvcc was not found; looked at: {}. Run scripts/setup_cuda.sh \
             (no root needed), or install CUDA 13 and set NVCC or CUDA_HOME, and build again",
            self.searched.join("; ")
        )
    }
}

impl Error for MissingImage {}
