//! Which GPUs can run this build's kernels.

use robocache_kernels::IMAGE;

use super::{Context, CudaError, DeviceProperties, KernelFile, KernelImage, driver::device_count};

/// Every GPU that this process may use, in CUDA's order: a context was made on each and the kernels were loaded into it.
///
/// One that cannot run them is an error, and not left out: ordinals would no longer say which GPU is meant.
///
/// A driver can hang or bring the process down. Call this where that does no harm.
pub fn usable_gpus() -> Result<Vec<DeviceProperties>, CudaError> {
    usable_gpus_with(None)
}

/// The same for the kernels of a file, or without one for those of this build.
pub fn usable_gpus_with(file: Option<&KernelFile>) -> Result<Vec<DeviceProperties>, CudaError> {
    let count = device_count()?;
    if count == 0 {
        return Err(CudaError::Unavailable("the driver sees no GPU; is CUDA_VISIBLE_DEVICES empty?".into()));
    }
    // Asked before any GPU is touched: it is the same for all of them.
    if file.is_none() {
        IMAGE.embedded().map_err(|missing| CudaError::NoKernels(missing.clone()))?;
    }
    let try_gpu = |ordinal| match try_gpu(ordinal, file) {
        // The file is at fault and not the GPU.
        Err(error @ CudaError::KernelFile(_)) => Err(error),
        result => result.map_err(|error| unusable(ordinal, &error)),
    };
    (0..count).map(try_gpu).collect()
}

fn try_gpu(ordinal: usize, file: Option<&KernelFile>) -> Result<DeviceProperties, CudaError> {
    let context = Context::new(ordinal)?;
    KernelImage::load_from(&context, file)?;
    Ok(context.properties().clone())
}

fn unusable(ordinal: usize, error: &CudaError) -> CudaError {
    CudaError::Unavailable(format!(
        "GPU {ordinal} cannot run the kernels: {error}; to leave it out, list the others in CUDA_VISIBLE_DEVICES"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_usable_gpus_there_is_a_reason_and_no_panic() {
        match usable_gpus() {
            Ok(gpus) => assert!(!gpus.is_empty()),
            Err(error) => assert!(error.to_string().len() > 20, "{error}"),
        }
    }

    #[test]
    fn a_gpu_that_cannot_run_the_kernels_is_named_with_the_remedy() {
        let error = unusable(2, &CudaError::UnknownKernel("fuse_f32_f32".into()));
        assert_eq!(
            error.to_string(),
            "CUDA is not available: GPU 2 cannot run the kernels: the kernel image has no `fuse_f32_f32`; to leave it \
             out, list the others in CUDA_VISIBLE_DEVICES"
        );
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn gpus_come_in_the_order_of_their_ordinals() {
        let _alone = crate::cuda::alone();
        let gpus = usable_gpus().unwrap();
        assert!(gpus.iter().enumerate().all(|(position, gpu)| gpu.ordinal == position));
    }
}
