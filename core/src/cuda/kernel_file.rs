//! Kernels from a file in the place of those that this build embeds: a fatbin or cubin that nvcc made.
//!
//! The file is looked at before a driver sees it: what a driver says of a wrong one names neither what was found nor
//! what to do. Whether it has code for a GPU shows when it is loaded there.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use robocache_kernels::symbols;

/// The contents of a file of kernels. Clones share them.
#[derive(Clone)]
pub struct KernelFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    hash: String,
    length: usize,
    /// In words, because the driver reads a header from the first bytes.
    words: Vec<u128>,
}

/// A file that cannot take the place of the embedded kernels.
#[derive(Debug, thiserror::Error)]
pub enum KernelFileError {
    /// It cannot be read.
    #[error("the kernel file `{path}` cannot be read: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is neither a fatbin nor a cubin.
    #[error(
        "`{path}` is no image of kernels: {reason}; nvcc makes one of kernels/image.cu with `-fatbin` or `-cubin` and the \
         flags of kernels/build.rs",
        path = path.display()
    )]
    NotAnImage {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// It ends early.
    #[error("the fatbin `{path}` is cut short: it has {found} of {wanted} bytes", path = path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that there are.
        found: u64,
        /// Bytes that its header promises.
        wanted: u64,
    },
    /// Kernels are missing.
    #[error(
        "the kernel file `{path}` lacks {missing}; it must have every kernel of this program",
        path = path.display(), missing = missing.join(", ")
    )]
    LacksKernels {
        /// The file.
        path: PathBuf,
        /// Their names.
        missing: Vec<String>,
    },
    /// It cannot run on a GPU.
    #[error(
        "the kernel file `{path}` has no code for compute capability {major}.{minor}; compile it with \
         `-gencode arch=compute_{major}{minor},code=sm_{major}{minor}`",
        path = path.display()
    )]
    NoCodeForGpu {
        /// The file.
        path: PathBuf,
        /// The GPU's compute capability.
        major: u32,
        /// Its second number.
        minor: u32,
    },
    /// The driver refuses it for another reason.
    #[error("the kernel file `{path}` cannot be loaded: {reason}", path = path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What the driver said.
        reason: String,
    },
    /// It is not what it was.
    #[error("the kernel file `{path}` has changed: its hash was {was} and is {is}", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// BLAKE3 of what it was, in hexadecimal.
        was: String,
        /// And of what it is.
        is: String,
    },
}

/// The number with which a fatbin begins, in bytes. Behind it are a version and the header's length, two bytes each, and
/// the length of what follows the header.
const FATBIN: [u8; 4] = 0xBA55_ED50_u32.to_le_bytes();
const FATBIN_HEADER_BYTES: usize = 16;
const ELF: &[u8] = b"\x7fELF";
/// `e_machine` of code for NVIDIA GPUs.
const ELF_CUDA: u16 = 190;

impl KernelFile {
    /// Reads a file and looks at what it is. No driver is needed.
    pub fn read(path: &Path) -> Result<Self, KernelFileError> {
        let unreadable = |source| KernelFileError::Unreadable { path: path.to_owned(), source };
        let not_an_image =
            |reason: &str| KernelFileError::NotAnImage { path: path.to_owned(), reason: reason.to_owned() };
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(not_an_image("it is a folder"));
        }
        if !metadata.is_file() {
            return Err(not_an_image("it is no regular file"));
        }
        let bytes = fs::read(path).map_err(unreadable)?;
        inspect(path, &bytes)?;
        let mut words = vec![0_u128; bytes.len().div_ceil(size_of::<u128>())];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(&bytes);
        let hash = blake3::hash(&bytes).to_hex().to_string();
        Ok(Self(Arc::new(Inner { path: path.to_owned(), hash, length: bytes.len(), words })))
    }

    /// Reads a file that must still have this BLAKE3 hash.
    pub fn read_again(path: &Path, hash: &str) -> Result<Self, KernelFileError> {
        let file = Self::read(path)?;
        if file.hash() == hash {
            return Ok(file);
        }
        Err(KernelFileError::Changed { path: path.to_owned(), was: hash.to_owned(), is: file.0.hash.clone() })
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// BLAKE3 of its bytes in hexadecimal: the identity of the kernels in evidence.
    pub fn hash(&self) -> &str {
        &self.0.hash
    }

    /// Its bytes, aligned to 16.
    pub(super) fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.0.words)[..self.0.length]
    }
}

fn inspect(path: &Path, bytes: &[u8]) -> Result<(), KernelFileError> {
    let not_an_image = |reason: String| KernelFileError::NotAnImage { path: path.to_owned(), reason };
    if bytes.starts_with(&FATBIN) {
        let found = bytes.len() as u64;
        let length = bytes.get(8..FATBIN_HEADER_BYTES).and_then(|field| field.try_into().ok()).map(u64::from_le_bytes);
        let wanted = length.unwrap_or(0).saturating_add(FATBIN_HEADER_BYTES as u64);
        if found < wanted {
            return Err(KernelFileError::Truncated { path: path.to_owned(), found, wanted });
        }
    } else if bytes.starts_with(ELF) {
        let machine = bytes.get(18..20).map_or(0, |field| u16::from_le_bytes([field[0], field[1]]));
        if machine != ELF_CUDA {
            return Err(not_an_image(format!("it is an ELF file for a processor (machine {machine}), not for a GPU")));
        }
    } else {
        return Err(not_an_image(described(bytes)));
    }
    let known = kernels_in(bytes);
    let missing: Vec<String> =
        symbols::ALL.into_iter().filter(|name| !known.contains(name.as_bytes())).map(str::to_owned).collect();
    // A compressed image shows no names; the driver then says what is missing.
    if known.is_empty() || missing.is_empty() {
        return Ok(());
    }
    Err(KernelFileError::LacksKernels { path: path.to_owned(), missing })
}

/// The names of kernels that can be read in an image: of the sections `.text.<name>` that hold their code.
fn kernels_in(bytes: &[u8]) -> BTreeSet<&[u8]> {
    const SECTION: &[u8] = b".text.";
    let mut names = BTreeSet::new();
    let mut rest = bytes;
    while let Some(dot) = rest.iter().position(|&byte| byte == b'.') {
        rest = &rest[dot..];
        if let Some(name) = rest.strip_prefix(SECTION) {
            let length = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
            names.insert(&name[..length]);
        }
        rest = &rest[1..];
    }
    names
}

/// What a file that is no image looks like.
fn described(bytes: &[u8]) -> String {
    const SHOWN: usize = 8;
    if bytes.is_empty() {
        return "the file is empty".to_owned();
    }
    if let Ok(text) = std::str::from_utf8(&bytes[..bytes.len().min(4096)]) {
        let is_ptx = text.lines().any(|line| line.starts_with(".version"));
        return if is_ptx { "it is PTX".to_owned() } else { "it is a text file".to_owned() };
    }
    let mut first = String::new();
    for byte in bytes.iter().take(SHOWN) {
        // Writing to a string cannot fail.
        let _ = write!(first, " {byte:02x}");
    }
    format!("it begins with{first}")
}

#[cfg(test)]
mod tests {
    use robocache_kernels::IMAGE;

    use super::*;

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        file
    }

    fn refusal(bytes: &[u8]) -> KernelFileError {
        KernelFile::read(written(bytes).path()).err().expect("it is refused")
    }

    #[test]
    fn what_is_no_image_is_said_to_be_what_it_is() {
        for (bytes, said) in [
            (&b""[..], "the file is empty"),
            (b"kernels\n", "it is a text file"),
            (b"//\n.version 9.0\n.target sm_90\n", "it is PTX"),
            (b"\xFF\xFE\x00\x01", "it begins with ff fe 00 01"),
        ] {
            let error = refusal(bytes);
            assert!(matches!(error, KernelFileError::NotAnImage { .. }) && error.to_string().contains(said), "{error}");
        }
        let program = std::env::current_exe().unwrap();
        let error = KernelFile::read(&program).err().unwrap().to_string();
        assert!(error.contains("for a processor"), "{error}");
        let error = KernelFile::read(Path::new("/nonexistent/image")).err().unwrap();
        assert!(matches!(error, KernelFileError::Unreadable { .. }), "{error}");
        assert!(KernelFile::read(Path::new("/")).err().unwrap().to_string().contains("it is a folder"));
    }

    #[test]
    fn the_embedded_image_is_one_and_a_damaged_one_is_not() {
        let Ok(embedded) = IMAGE.embedded() else { return };
        let file = written(embedded.bytes);
        let read = KernelFile::read(file.path()).unwrap();
        assert_eq!((read.hash(), read.bytes()), (embedded.blake3, embedded.bytes));
        assert_eq!(read.bytes().as_ptr().align_offset(16), 0);
        assert!(KernelFile::read_again(file.path(), embedded.blake3).is_ok());
        let changed = KernelFile::read_again(file.path(), "0").err().unwrap();
        assert!(matches!(changed, KernelFileError::Changed { .. }), "{changed}");

        let cut = refusal(&embedded.bytes[..embedded.bytes.len() - 1]);
        assert!(matches!(cut, KernelFileError::Truncated { .. }), "{cut}");
        assert!(matches!(refusal(&embedded.bytes[..9]), KernelFileError::Truncated { .. }));
    }

    #[test]
    fn a_missing_kernel_is_named() {
        let Ok(embedded) = IMAGE.embedded() else { return };
        let mut bytes = embedded.bytes.to_vec();
        let name = b".text.fuse_bf16_i64\0";
        while let Some(place) = bytes.windows(name.len()).position(|window| window == name) {
            bytes[place + 6] = b'x';
        }
        let error = refusal(&bytes).to_string();
        assert!(error.contains("lacks fuse_bf16_i64;"), "{error}");
    }
}
