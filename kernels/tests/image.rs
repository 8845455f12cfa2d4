//! The embedded image is what it says it is.

use std::collections::BTreeSet;

use robocache_kernels::{EmbeddedImage, IMAGE, Image, symbols};

/// The image, or `None` in a build without nvcc, whose message is then what there is to test.
fn embedded() -> Option<&'static EmbeddedImage> {
    match &IMAGE {
        Image::Embedded(image) => Some(image),
        Image::Missing(missing) => {
            let message = missing.to_string();
            assert!(message.contains("scripts/setup_cuda.sh"), "{message}");
            assert!(message.contains("CUDA_HOME"), "{message}");
            assert!(IMAGE.embedded().is_err());
            None
        }
    }
}

#[test]
fn hash_is_that_of_the_bytes() {
    if let Some(image) = embedded() {
        assert_eq!(image.blake3, blake3::hash(image.bytes).to_hex().as_str());
        assert_eq!(image.bytes.as_ptr().align_offset(16), 0);
    }
}

#[test]
fn ptx_declares_exactly_the_listed_kernels() {
    if let Some(image) = embedded() {
        let declared = ptx_entries(image.bytes);
        let listed: BTreeSet<&str> = symbols::ALL.into_iter().collect();
        assert_eq!(declared, listed);
    }
}

#[test]
fn every_architecture_has_code_for_every_kernel() {
    if let Some(image) = embedded() {
        let real = image.architectures.iter().filter(|name| name.starts_with("sm_")).count();
        for kernel in symbols::ALL {
            // Each cubin names the section that holds the kernel's instructions.
            let section = format!(".text.{kernel}\0");
            let found = occurrences(image.bytes, section.as_bytes()).count();
            assert!(found >= real, "{kernel} has code in {found} places, for {real} architectures");
        }
    }
}

/// Names after `.entry` in the PTX, which the image holds as plain text.
fn ptx_entries(bytes: &[u8]) -> BTreeSet<&str> {
    let marker = b".entry ";
    occurrences(bytes, marker)
        .filter_map(|at| {
            let rest = &bytes[at + marker.len()..];
            let end = rest.iter().position(|byte| *byte == b'(')?;
            std::str::from_utf8(&rest[..end]).ok()
        })
        .collect()
}

/// Where `needle` begins in `bytes`.
fn occurrences<'a>(bytes: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(needle.len()).enumerate().filter(move |(_, window)| *window == needle).map(|(at, _)| at)
}
