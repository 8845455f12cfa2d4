//! Readers of files that anybody may have made: whatever the bytes, an answer and no panic.
//!
//! `cargo test --release -p validation --test bundles -- --ignored a_million` tries a million files, in half a minute.

use std::sync::LazyLock;

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use validation::{
    bundle,
    evidence::{parse_log, read::LogContents},
};
use validation_testing::fixture::{every_verdict, log_of};

use crate::{
    mutation::{Damage, damage, manifest_text, resealed},
    sample,
};

static BUNDLE: LazyLock<Vec<u8>> = LazyLock::new(sample::bytes);
static MANIFEST: LazyLock<String> = LazyLock::new(|| manifest_text(&BUNDLE));
static LOG: LazyLock<Vec<u8>> = LazyLock::new(|| log_of(&every_verdict()[..3]).2);

/// A file that somebody hands to a reader.
#[derive(Clone, Debug)]
enum Handed {
    /// A bundle of which bytes were damaged.
    Bundle(Vec<Damage>),
    /// A bundle whose manifest was damaged and then given the right checksum: nothing but the checks inside is left.
    Resealed(Vec<Damage>),
    /// A log of which bytes were damaged.
    Log(Vec<Damage>),
    /// A record that was damaged and then given the right checksum.
    Record(Vec<Damage>),
    /// A safetensors file with any header.
    Header(Vec<u8>, Vec<u8>),
    /// Anything.
    Noise(Vec<u8>),
}

fn handed() -> impl Strategy<Value = Handed> {
    prop_oneof![
        3 => vec(damage(), 1..4).prop_map(Handed::Bundle),
        3 => vec(damage(), 1..4).prop_map(Handed::Resealed),
        2 => vec(damage(), 1..4).prop_map(Handed::Log),
        2 => vec(damage(), 1..4).prop_map(Handed::Record),
        2 => (header(), vec(any::<u8>(), 0..64)).prop_map(|(header, data)| Handed::Header(header, data)),
        1 => vec(any::<u8>(), 0..256).prop_map(Handed::Noise),
    ]
}

/// Headers of the format, most of them with lies about what follows.
fn header() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![0_u64..70, any::<u64>(), Just(u64::MAX), Just(1 << 32)];
    let dtype = prop_oneof![Just("F32"), Just("BF16"), Just("I64"), Just("F4"), Just("BOOL"), Just("X")];
    let tensor = ("[a-z/.]{0,9}", dtype, vec(number.clone(), 0..5), number.clone(), number).prop_map(
        |(name, dtype, shape, begin, end)| {
            format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#)
        },
    );
    let metadata = prop_oneof![
        Just(String::new()),
        Just(r#""__metadata__":{"bundle":"{}"},"#.to_owned()),
        Just(r#""__metadata__":{"bundle":"{\"version\":1,\"checksum\":\"\",\"manifest\":{}}"},"#.to_owned()),
    ];
    (metadata, vec(tensor, 0..4))
        .prop_map(|(metadata, tensors)| format!("{{{metadata}{}}}", tensors.join(",")).into_bytes())
}

fn damaged(mut bytes: Vec<u8>, damage: &[Damage]) -> Vec<u8> {
    damage.iter().for_each(|damage| damage.apply(&mut bytes));
    bytes
}

/// Hands a file to its reader, and checks what must hold of any answer.
fn read(handed: &Handed) {
    match handed {
        Handed::Bundle(damage) => {
            let bytes = damaged(BUNDLE.clone(), damage);
            assert_eq!(bundle::parse(&bytes).is_ok(), bytes == *BUNDLE);
        }
        Handed::Resealed(damage) => {
            let manifest = String::from_utf8_lossy(&damaged(MANIFEST.clone().into_bytes(), damage)).into_owned();
            // What is accepted is what would be written of it, unless it says more than this program knows.
            if let Ok(read) = bundle::parse(&resealed(&BUNDLE, 1, &manifest)) {
                assert!(bundle::encode(&read.manifest, &read.tensors).is_ok());
            }
        }
        Handed::Log(damage) => {
            let bytes = damaged(LOG.clone(), damage);
            // A record that was not written is never read. The same one may be there twice.
            if let Ok(LogContents { records, .. }) = parse_log(&bytes) {
                assert!(records.iter().all(|record| every_verdict().contains(record)));
            }
        }
        Handed::Record(damage) => {
            let text = String::from_utf8_lossy(&LOG).into_owned();
            let (_, body) = text.lines().next().unwrap().split_once(r#","record":"#).unwrap();
            let body = damaged(body.strip_suffix('}').unwrap().as_bytes().to_vec(), damage);
            let body = String::from_utf8_lossy(&body);
            let checksum = blake3::hash(format!("1 0 {body}").as_bytes());
            let line = format!("{{\"format\":1,\"sequence\":0,\"checksum\":\"{checksum}\",\"record\":{body}}}\n");
            let _ = parse_log(line.as_bytes());
        }
        Handed::Header(header, data) => {
            let bytes = [&(header.len() as u64).to_le_bytes()[..], header, data].concat();
            assert!(bundle::parse(&bytes).is_err());
        }
        Handed::Noise(bytes) => {
            assert!(bundle::parse(bytes).is_err());
            assert!(parse_log(bytes).is_ok_and(|contents| contents.records.is_empty()));
        }
    }
}

fn run(cases: u32) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&handed(), |handed| {
            read(&handed);
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_file_makes_a_reader_panic_or_believe_what_was_not_written() {
    run(4096);
}

#[test]
#[ignore = "takes half a minute: a million files"]
fn a_million_files_make_no_reader_panic() {
    run(1_000_000);
}
