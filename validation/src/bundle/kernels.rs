//! Which file of CUDA kernels a bundle is of, and which one it is replayed with.

use robocache_core::cuda::KernelFile;

use super::{error::Flaw, manifest::Manifest, tensors::printable};
use crate::{
    cell::Device,
    evidence::{Fact, kernel_image},
};

/// The hash of the file whose kernels executed a cell of this device, where the image of its run is one. A file with the
/// bytes of the embedded image is no other image: this program has those kernels.
pub(super) fn file_of(device: Device, image: &Fact<String>) -> Option<String> {
    match (device, image) {
        (Device::Cuda, Fact::Known(hash)) if !is_embedded(hash) => Some(hash.clone()),
        (Device::Cuda, Fact::Known(_) | Fact::Missing { .. }) | (Device::Cpu, _) => None,
    }
}

/// Why the bundle cannot be replayed with this file, or without one. A library brings its own kernels.
pub(super) fn flaw(manifest: &Manifest, has_library: bool, file: Option<&KernelFile>) -> Option<Flaw> {
    match (manifest.replay.device, &manifest.kernels, file) {
        (Device::Cpu, _, Some(_)) => Some(Flaw::TakesNoKernels),
        (Device::Cpu, _, None) | (Device::Cuda, _, Some(_)) | (Device::Cuda, None, None) => None,
        // This program's own kernels never failed, unless they are the same.
        (Device::Cuda, Some(hash), None) => {
            (!has_library && !is_embedded(hash)).then(|| Flaw::NeedsKernels { hash: hash.clone() })
        }
    }
}

/// How the file of a replay stands to what failed.
pub(super) fn relation(failed: Option<&str>, given: &str) -> String {
    let short = |hash: &str| printable(hash.get(..16).unwrap_or(hash));
    match failed {
        Some(failed) if failed == given => format!("{}, those that failed", short(given)),
        Some(failed) => format!("{}, other ones than those that failed: {}", short(given), short(failed)),
        None => format!("{}, in the place of a program's own kernels, which failed", short(given)),
    }
}

fn is_embedded(hash: &str) -> bool {
    kernel_image(None).is_ok_and(|embedded| embedded == hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cuda_cell_is_of_a_file_and_only_of_one_that_this_program_does_not_embed() {
        let image = Fact::Known("ab".repeat(32));
        assert_eq!(file_of(Device::Cuda, &image), Some("ab".repeat(32)));
        assert_eq!(file_of(Device::Cpu, &image), None);
        assert_eq!(file_of(Device::Cuda, &Fact::new(kernel_image(None))), None);
    }

    #[test]
    fn kernels_are_those_of_their_hash() {
        let (broken, mended) = ("ab".repeat(32), "cd".repeat(32));
        assert_eq!(relation(Some(&broken), &broken), "abababababababab, those that failed");
        let other = "cdcdcdcdcdcdcdcd, other ones than those that failed: abababababababab";
        assert_eq!(relation(Some(&broken), &mended), other);
        assert!(relation(None, &mended).contains("a program's own kernels"));
        assert!(!relation(Some("\u{1b}[31m"), &mended).contains('\u{1b}'));
    }
}
