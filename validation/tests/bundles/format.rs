//! The bytes of a bundle.

use std::{env, fs, path::PathBuf};

use proptest::prelude::*;
use validation::bundle::{self, Manifest, Role};

use crate::sample::{bytes, manifest, tensor, tensors};

fn fixture(version: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/bundle/v{version}.safetensors"))
}

/// `UPDATE_FIXTURES=1` writes that of the newest version. One that was released is never written again.
#[test]
fn a_bundle_of_every_version_is_read_and_the_newest_is_written_byte_for_byte() {
    if env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(fixture(bundle::VERSION), bytes()).unwrap();
    }
    for version in 1..=bundle::VERSION {
        let read = bundle::read(&fixture(version)).unwrap();
        assert_eq!(read.manifest, manifest());
    }
    assert_eq!(fs::read(fixture(bundle::VERSION)).unwrap(), bytes());
}

#[test]
fn what_is_written_is_read() {
    let read = bundle::parse(&bytes()).unwrap();
    assert_eq!(read.manifest, manifest());
    assert_eq!(read.hash, blake3::hash(&bytes()).to_hex().as_str());
    let written = tensors();
    assert_eq!(read.tensors.len(), written.len());
    for (read, written) in read.tensors.iter().zip(&written) {
        assert_eq!(read.entry, written.entry);
        assert_eq!(read.payload.as_ref().unwrap().bytes(), written.payload.as_ref().unwrap().bytes());
    }
    assert_eq!(read.inputs().unwrap().len(), 2);
    assert_eq!(read.of_role(Role::Actual).count(), 2);
}

#[test]
fn keys_that_a_later_program_of_this_version_adds_are_passed_over() {
    let text = crate::mutation::manifest_text(&bytes());
    let more = text.replacen('{', r#"{"a_later_key":[1,2],"#, 1);
    let read = bundle::parse(&crate::mutation::resealed(&bytes(), 1, &more)).unwrap();
    assert_eq!(read.manifest, manifest());
}

proptest! {
    #[test]
    fn the_same_content_gives_the_same_bytes(rows in 0_usize..20, first in any::<u8>(), drop_outputs in any::<bool>()) {
        let mut held = tensors();
        let points = tensor("points", robocache_core::dtype::DType::F32, &[rows, 3], first);
        held[0].entry = bundle::TensorEntry::of(Role::Input, &points, true);
        held[0].payload = Some(std::borrow::Cow::Owned(points));
        if drop_outputs {
            for output in &mut held[2..] {
                output.entry.stored = false;
                output.payload = None;
            }
        }
        let entries: Vec<_> = held.iter().map(|held| held.entry.clone()).collect();
        let manifest = Manifest { tensors: entries, ..manifest() };
        let once = bundle::encode(&manifest, &held).unwrap();
        prop_assert_eq!(&once, &bundle::encode(&manifest, &held).unwrap());
        let read = bundle::parse(&once).unwrap();
        prop_assert_eq!(&once, &bundle::encode(&read.manifest, &read.tensors).unwrap());
    }
}
