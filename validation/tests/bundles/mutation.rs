//! Files that are nearly right: damaged bytes, and lies with the right checksum.

use std::{borrow::Cow, collections::HashMap};

use proptest::{collection::vec, prelude::*, sample::Index};
use safetensors::{Dtype, SafeTensors, View, serialize};

/// One change of a file.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, Index),
    /// A digit becomes another one, which keeps JSON well formed: sizes, offsets, versions and hashes.
    Digit(Index, u8),
    /// The length of the header, or whatever stands at the beginning.
    Head([u8; 8]),
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<Index>(), 1_u8..).prop_map(|(place, mask)| Damage::Flip(place, mask)),
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), vec(any::<u8>(), 1..9)).prop_map(|(place, bytes)| Damage::Insert(place, bytes)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        (any::<Index>(), b'0'..=b'9').prop_map(|(place, digit)| Damage::Digit(place, digit)),
        any::<[u8; 8]>().prop_map(Damage::Head),
    ]
}

impl Damage {
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(place, mask) => {
                let place = place.index(bytes.len());
                bytes[place] ^= mask;
            }
            Self::Cut(place) => bytes.truncate(place.index(bytes.len())),
            Self::Insert(place, inserted) => {
                let place = place.index(bytes.len());
                bytes.splice(place..place, inserted.iter().copied());
            }
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let part = bytes[from.min(to)..from.max(to)].iter().copied().take(64).collect::<Vec<_>>();
                bytes.splice(to..to, part);
            }
            Self::Digit(place, digit) => {
                let digits: Vec<usize> = (0..bytes.len()).filter(|&place| bytes[place].is_ascii_digit()).collect();
                if !digits.is_empty() {
                    bytes[digits[place.index(digits.len())]] = *digit;
                }
            }
            Self::Head(head) => {
                let length = head.len().min(bytes.len());
                bytes[..length].copy_from_slice(&head[..length]);
            }
        }
    }
}

/// A tensor of a file that is written with another text.
struct Raw<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    data: &'a [u8],
}

impl View for Raw<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.data)
    }

    fn data_len(&self) -> usize {
        self.data.len()
    }
}

/// The manifest of a bundle, as it stands in the file.
pub(crate) fn manifest_text(bytes: &[u8]) -> String {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let text = header.metadata().as_ref().unwrap()["bundle"].clone();
    let (_, body) = text.split_once(r#","manifest":"#).unwrap();
    body.strip_suffix('}').unwrap().to_owned()
}

/// The same file with another manifest, under a checksum that is right.
pub(crate) fn resealed(bytes: &[u8], version: u64, manifest: &str) -> Vec<u8> {
    let checksum = blake3::hash(format!("{version} {manifest}").as_bytes());
    let text = format!(r#"{{"version":{version},"checksum":"{checksum}","manifest":{manifest}}}"#);
    with_text(bytes, text)
}

/// The same tensors under another text.
pub(crate) fn with_text(bytes: &[u8], text: String) -> Vec<u8> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let tensors = file.iter().map(|(name, view)| {
        (name.to_owned(), Raw { dtype: view.dtype(), shape: view.shape().to_vec(), data: view.data() })
    });
    serialize(tensors, Some(HashMap::from([("bundle".to_owned(), text)]))).unwrap()
}
