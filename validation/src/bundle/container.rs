//! A safetensors file with one metadata key: the only thing that is done with the format.
//!
//! More keys would make the same content another file each time: readers and writers keep them in a hash map.

use std::{borrow::Cow, collections::HashMap, path::Path};

use robocache_core::{dtype::DType, tensor::HostTensor};
use safetensors::{Dtype, SafeTensorError, SafeTensors, View, serialize, serialize_to_file};

use super::{error::Flaw, tensors::Held};

/// A tensor as the format sees it.
struct Payload<'a>(&'a HostTensor);

impl View for Payload<'_> {
    fn dtype(&self) -> Dtype {
        dtype(self.0.dtype())
    }

    fn shape(&self) -> &[usize] {
        self.0.shape().extents()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.bytes())
    }

    fn data_len(&self) -> usize {
        self.0.bytes().len()
    }
}

const fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::Bf16 => Dtype::BF16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
    }
}

fn stored<'a>(tensors: &'a [Held<'_>]) -> impl Iterator<Item = (String, Payload<'a>)> {
    tensors.iter().filter_map(|held| Some((held.entry.key(), Payload(held.payload.as_deref()?))))
}

fn metadata(key: &str, text: &str) -> Option<HashMap<String, String>> {
    Some(HashMap::from([(key.to_owned(), text.to_owned())]))
}

/// The bytes of a file of these tensors, with this text under this key.
pub(crate) fn encode(key: &str, text: &str, tensors: &[Held<'_>]) -> Result<Vec<u8>, Flaw> {
    serialize(stored(tensors), metadata(key, text)).map_err(malformed)
}

/// Writes such a file without a copy of the tensors in memory: a worker may have none left.
pub(super) fn write(path: &Path, key: &str, text: &str, tensors: &[Held<'_>]) -> Result<(), Flaw> {
    serialize_to_file(stored(tensors), metadata(key, text), path).map_err(malformed)
}

/// The text under `key` of a file that is whole and has no other.
pub(crate) fn text(bytes: &[u8], key: &str) -> Result<String, Flaw> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(malformed)?;
    let mut texts = header.metadata().clone().unwrap_or_default();
    match (texts.remove(key), texts.is_empty()) {
        (Some(text), true) => Ok(text),
        (Some(_) | None, _) => Err(Flaw::Malformed(format!("its metadata is not one key `{key}`"))),
    }
}

/// Fills in the payloads of the tensors that are stored, and fails unless `bytes` are exactly what [`encode`] makes of them
/// and of `text`, and every hash is right.
pub(crate) fn fill(bytes: &[u8], key: &str, text: &str, tensors: &mut [Held<'_>]) -> Result<(), Flaw> {
    let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
    for held in tensors.iter_mut().filter(|held| held.entry.stored) {
        let name = held.entry.key();
        let view = file.tensor(&name).map_err(|_| Flaw::Altered(format!("the tensor `{name}` is missing")))?;
        let spec = held.entry.spec()?;
        if (view.dtype(), view.shape()) != (dtype(spec.dtype), spec.shape.extents()) {
            return Err(Flaw::Altered(format!(
                "the tensor `{name}` is not of the dtype and shape that the manifest says"
            )));
        }
        // As large as the part of the file that it is copied from, so that no header can ask for memory.
        if spec.bytes() != view.data().len() {
            return Err(Flaw::Altered(format!("the tensor `{name}` has another size than its shape")));
        }
        let mut payload = HostTensor::zeros(spec);
        payload.bytes_mut().copy_from_slice(view.data());
        if payload.hash().to_hex().as_str() != held.entry.blake3 {
            return Err(Flaw::Altered(format!("the tensor `{name}` does not have the hash that the manifest says")));
        }
        held.payload = Some(Cow::Owned(payload));
    }
    match encode(key, text, tensors)? == bytes {
        true => Ok(()),
        false => Err(Flaw::Altered("it holds the right tensors, but not as this program writes them".to_owned())),
    }
}

fn malformed(error: SafeTensorError) -> Flaw {
    Flaw::Malformed(error.to_string())
}
