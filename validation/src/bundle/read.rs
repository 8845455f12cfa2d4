//! From a file that anybody may have made to a bundle, or a refusal.

use std::{
    borrow::Cow,
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::fcntl::OFlag;
use robocache_core::tensor::HostTensor;

use super::{
    container,
    error::{BundleError, Flaw},
    manifest::{KEY, Manifest},
    tensors::{Held, RECORDED_LIMIT_BYTES, Role, STORED_LIMIT_BYTES},
};

/// The most bytes that a bundle may have: its tensors, and room for its manifest.
pub(super) const FILE_LIMIT_BYTES: u64 = (RECORDED_LIMIT_BYTES + STORED_LIMIT_BYTES + (64 << 20)) as u64;

/// A bundle that was read and verified.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// What it says.
    pub manifest: Manifest,
    /// Its tensors, in the manifest's order.
    pub tensors: Vec<Held<'static>>,
    /// BLAKE3 of its file, in hexadecimal.
    pub hash: String,
    /// The size of its file in bytes.
    pub bytes: u64,
}

impl Bundle {
    /// The tensors of one role.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = &Held<'static>> {
        self.tensors.iter().filter(move |held| held.entry.role == role)
    }

    /// The inputs, if the file holds them.
    pub fn inputs(&self) -> Option<Vec<HostTensor>> {
        let inputs: Option<Vec<_>> = self.of_role(Role::Input).map(|held| held.payload.clone()).collect();
        inputs.filter(|inputs| !inputs.is_empty()).map(|inputs| inputs.into_iter().map(Cow::into_owned).collect())
    }
}

/// Reads a bundle. Nothing in the file is believed before it is checked.
pub fn read(path: &Path) -> Result<Bundle, BundleError> {
    bytes_of(path).and_then(|bytes| parse(&bytes)).map_err(|flaw| flaw.of(path))
}

/// Reads a bundle from bytes, wherever they come from.
pub fn parse(bytes: &[u8]) -> Result<Bundle, Flaw> {
    let text = container::text(bytes, KEY)?;
    let manifest = Manifest::from_text(&text)?;
    let mut tensors: Vec<Held<'static>> =
        manifest.tensors.iter().map(|entry| Held { entry: entry.clone(), payload: None }).collect();
    container::fill(bytes, KEY, &text, &mut tensors)?;
    Ok(Bundle { manifest, tensors, hash: blake3::hash(bytes).to_hex().to_string(), bytes: bytes.len() as u64 })
}

/// The bytes of a regular file within [`FILE_LIMIT_BYTES`]; links are not followed.
pub(crate) fn bytes_of(path: &Path) -> Result<Vec<u8>, Flaw> {
    // Without O_NONBLOCK, opening a named pipe waits for its writer, perhaps for ever.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path);
    let file: File = opened.map_err(|error| match error.raw_os_error() {
        Some(number) if number == nix::Error::ELOOP as i32 => Flaw::NotAFile,
        Some(_) | None => Flaw::Unreadable(error),
    })?;
    let found = file.metadata().map_err(Flaw::Unreadable)?;
    if !found.is_file() {
        return Err(Flaw::NotAFile);
    }
    if found.len() > FILE_LIMIT_BYTES {
        return Err(Flaw::TooLarge { limit: FILE_LIMIT_BYTES });
    }
    // The limit holds for what is read too: files can grow.
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(Flaw::Unreadable)?;
    match bytes.len() as u64 > FILE_LIMIT_BYTES {
        true => Err(Flaw::TooLarge { limit: FILE_LIMIT_BYTES }),
        false => Ok(bytes),
    }
}

/// The bundle at `path`, if it is still the one of this hash: who was asked to replay it has read it before.
pub(crate) fn given_inputs(path: &Path, hash: &str) -> Result<Bundle, BundleError> {
    let bundle = read(path)?;
    match bundle.hash == hash {
        true => Ok(bundle),
        false => Err(Flaw::Unreadable(io::Error::other("it was replaced while it was being replayed")).of(path)),
    }
}
