//! The kernel image, loaded into a context.

use std::{collections::HashMap, ffi::CString, sync::Arc};

use cudarc::driver::{
    result,
    sys::{self, CUfunction, CUmodule},
};
use robocache_kernels::{EmbeddedImage, IMAGE, symbols};

use super::{Context, CudaError, KernelFile, KernelFileError, error::During};

/// All kernels of an image on one GPU. Clones share it.
#[derive(Clone)]
pub struct KernelImage(Arc<Inner>);

struct Inner {
    module: CUmodule,
    functions: HashMap<&'static str, CUfunction>,
    /// What the module was loaded from.
    _file: Option<KernelFile>,
    /// Keeps the module's context alive.
    context: Context,
}

// SAFETY: as for `Context`: handles may be used from any thread once the context is bound to it.
unsafe impl Send for Inner {}
// SAFETY: nothing in `Inner` changes after it was made.
unsafe impl Sync for Inner {}

/// One kernel of a loaded image.
#[derive(Clone, Copy)]
pub struct Kernel<'image> {
    pub(super) function: CUfunction,
    /// Its symbol.
    pub(super) name: &'image str,
}

impl KernelImage {
    /// Loads the image that this build embeds.
    pub fn load(context: &Context) -> Result<Self, CudaError> {
        let embedded = IMAGE.embedded().map_err(|missing| CudaError::NoKernels(missing.clone()))?;
        Self::load_embedded(context, embedded)
    }

    /// Loads the image of a file, or without one that of this build.
    pub fn load_from(context: &Context, file: Option<&KernelFile>) -> Result<Self, CudaError> {
        match file {
            None => Self::load(context),
            Some(file) => Self::load_file(context, file).map_err(|error| blamed(file, context, error)),
        }
    }

    fn load_file(context: &Context, file: &KernelFile) -> Result<Self, CudaError> {
        context.bind()?;
        // SAFETY: the bytes are aligned, begin as an image does and are as many as it says; what they hold beyond that is
        // for the driver to check, in a process that may die. `Inner` keeps them.
        let module = unsafe { result::module::load_data(file.bytes().as_ptr().cast()) }
            .during(|| format!("loading `{}`", file.path().display()))?;
        Self::with_functions(context, module, Some(file.clone()))
    }

    fn load_embedded(context: &Context, embedded: &'static EmbeddedImage) -> Result<Self, CudaError> {
        context.bind()?;
        // SAFETY: the bytes are a fatbin that nvcc wrote, whole and aligned, and they live as long as the program.
        let module = unsafe { result::module::load_data(embedded.bytes.as_ptr().cast()) }.during(|| {
            let (major, minor) = context.properties().compute_capability;
            format!(
                "loading the kernel image ({}) on a GPU of compute capability {major}.{minor}",
                embedded.architectures.join(", ")
            )
        })?;
        Self::with_functions(context, module, None)
    }

    /// Finds and loads every kernel of a module that was just loaded into this context.
    fn with_functions(context: &Context, module: CUmodule, file: Option<KernelFile>) -> Result<Self, CudaError> {
        let mut inner = Inner { module, functions: HashMap::new(), _file: file, context: context.clone() };
        for name in symbols::ALL {
            let symbol = CString::new(name).expect("symbols hold no NUL");
            // SAFETY: the module was just loaded and stays loaded as long as `inner`.
            let function = unsafe { result::module::get_function(module, symbol) }
                .during(|| format!("looking up the kernel {name}"))?;
            // SAFETY: as above. The driver would otherwise load each kernel at its first launch, in the middle of a capture
            // or a measurement.
            unsafe { sys::cuFuncLoad(function) }.result().during(|| format!("loading the kernel {name}"))?;
            inner.functions.insert(name, function);
        }
        Ok(Self(Arc::new(inner)))
    }

    /// How many blocks of a kernel, without dynamic shared memory, the GPU can hold at once.
    pub fn resident_blocks(&self, kernel: Kernel<'_>, threads: u32) -> Result<u32, CudaError> {
        let context = &self.0.context;
        context.bind()?;
        // SAFETY: the function belongs to this image's module, and its context is bound.
        let of_multiprocessor =
            unsafe { result::occupancy::max_active_block_per_multiprocessor(kernel.function, threads as i32, 0) }
                .during(|| format!("asking how many blocks of {} are resident", kernel.name))?;
        Ok(of_multiprocessor.unsigned_abs() * context.properties().multiprocessors)
    }

    /// The kernel of this name.
    pub fn kernel(&self, name: &str) -> Result<Kernel<'_>, CudaError> {
        let (name, function) =
            self.0.functions.get_key_value(name).ok_or_else(|| CudaError::UnknownKernel(name.to_owned()))?;
        Ok(Kernel { function: *function, name })
    }

    /// The context into which the image was loaded.
    pub fn context(&self) -> &Context {
        &self.0.context
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: loaded just before `with_functions`, and no `Kernel` outlives the image it borrows from. An error means that
            // the context is lost, and the module with it.
            let _ = unsafe { result::module::unload(self.module) };
        }
    }
}

/// What a driver's error at the loading of a file says of the file. Errors of the context stay what they are.
fn blamed(file: &KernelFile, context: &Context, error: CudaError) -> CudaError {
    const NO_BINARY_FOR_GPU: u32 = sys::CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU as u32;
    const NOT_FOUND: u32 = sys::CUresult::CUDA_ERROR_NOT_FOUND as u32;
    const INVALID_IMAGE: u32 = sys::CUresult::CUDA_ERROR_INVALID_IMAGE as u32;
    const INVALID_PTX: u32 = sys::CUresult::CUDA_ERROR_INVALID_PTX as u32;
    let path = file.path().to_owned();
    match error.code() {
        Some(NO_BINARY_FOR_GPU) => {
            let (major, minor) = context.properties().compute_capability;
            KernelFileError::NoCodeForGpu { path, major, minor }.into()
        }
        Some(NOT_FOUND | INVALID_IMAGE | INVALID_PTX) => {
            KernelFileError::Refused { path, reason: error.to_string() }.into()
        }
        Some(_) | None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn every_kernel_loads() {
        let _alone = crate::cuda::alone();
        let image = KernelImage::load(&Context::new(0).unwrap()).unwrap();
        for name in symbols::ALL {
            assert!(image.kernel(name).is_ok(), "{name}");
        }
        assert!(matches!(image.kernel("resample_f64_f32"), Err(CudaError::UnknownKernel(_))));
    }
}
