//! Logs to which something has happened.

use std::{fs, path::Path, sync::LazyLock};

use proptest::prelude::*;
use validation::evidence::{LogContents, LogError, Record, TornTail, parse_log, read::DamageKind, read_log};
use validation_testing::fixture::{every_verdict, log_of, names, new_run, passed, resume};

fn read_bytes(path: &Path, bytes: &[u8]) -> Result<LogContents, LogError> {
    fs::write(path, bytes).unwrap();
    read_log(path)
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn records_come_back_as_they_were() {
    let records = every_verdict();
    let (_root, path, _) = log_of(&records);
    let contents = read_log(&path).unwrap();
    assert_eq!(contents, LogContents { next_sequence: 6, records, ..LogContents::default() });
}

#[test]
fn a_log_cut_at_any_byte_keeps_every_complete_record() {
    let records = every_verdict();
    let (_root, _, bytes) = log_of(&records);
    for length in 0..=bytes.len() {
        let contents = parse_log(&bytes[..length]).unwrap();
        let complete = bytes[..length].iter().filter(|&&byte| byte == b'\n').count();
        let start = bytes[..length].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        assert_eq!(contents.records, records[..complete], "cut at {length}");
        assert_eq!(contents.damage, []);
        let tail = TornTail { offset: start as u64, bytes: (length - start) as u64, complete_lines: 0 };
        assert_eq!(contents.torn_tail, (length > start).then_some(tail), "cut at {length}");
        assert_eq!(contents.next_sequence, complete as u64);
    }
}

#[test]
fn a_log_cut_at_any_byte_is_resumed_and_filled_up() {
    let (root, path, bytes) = log_of(&[passed("n0"), passed("n1")]);
    let folder = path.parent().unwrap();
    // Not at every byte: a resume syncs many files.
    for length in (0..bytes.len()).step_by(37) {
        fs::write(&path, &bytes[..length]).unwrap();
        let run = resume(folder).unwrap();
        let start = run.earlier().len();
        for record in &[passed("n0"), passed("n1")][start..] {
            run.log().append(record).unwrap();
        }
        let tail = run.cut_tail().cloned();
        run.close().unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes, "cut at {length}");
        // What was cut off is kept.
        let kept = folder.join("records.torn-1");
        assert_eq!(kept.exists(), tail.is_some());
        if let Some(tail) = tail {
            assert_eq!(fs::read(&kept).unwrap(), bytes[tail.offset as usize..length]);
            fs::remove_file(kept).unwrap();
        }
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().starts_with("environment-") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    drop(root);
}

#[test]
fn damage_in_the_middle_is_placed_and_the_rest_is_kept() {
    let (_root, path, bytes) = log_of(&every_verdict());
    let mut lines = lines(&bytes);
    let offset = (lines[0].len() + lines[1].len()) as u64;
    let middle = lines[2].len() / 2;
    lines[2][middle] ^= 1;
    let contents = read_bytes(&path, &lines.concat()).unwrap();
    assert_eq!(contents.records.len(), 5);
    assert_eq!(contents.torn_tail, None);
    let [damage] = &contents.damage[..] else { panic!("one line is damaged: {:?}", contents.damage) };
    assert_eq!((damage.line, damage.offset), (3, offset));
    assert!(matches!(damage.kind, DamageKind::Corrupt(_)), "{damage}");
    assert_eq!(contents.next_sequence, 6);

    // The cell of the lost record runs again; nothing else does.
    let run = resume(path.parent().unwrap()).unwrap();
    assert_eq!(run.earlier().len(), 5);
    assert_eq!(run.damage().len(), 1);
    assert_eq!(run.log().append(&every_verdict()[2]).unwrap(), 6);
}

#[test]
fn missing_repeated_and_misplaced_records_are_found() {
    let (_root, path, bytes) = log_of(&[passed("n0"), passed("n1"), passed("n2"), passed("n3")]);
    let lines = lines(&bytes);
    let kinds = |order: &[usize]| {
        let bytes: Vec<u8> = order.iter().flat_map(|&line| lines[line].clone()).collect();
        let contents = read_bytes(&path, &bytes).unwrap();
        let kinds = contents.damage.into_iter().map(|damage| damage.kind).collect::<Vec<_>>();
        (contents.records.len(), kinds)
    };
    assert_eq!(kinds(&[0, 1, 2, 3]), (4, vec![]));
    assert_eq!(kinds(&[1, 2]), (2, vec![DamageKind::Gap { expected: 0, found: 1 }]));
    assert_eq!(kinds(&[0, 3]), (2, vec![DamageKind::Gap { expected: 1, found: 3 }]));
    assert_eq!(kinds(&[0, 1, 1, 2]), (3, vec![DamageKind::Repeated(1)]));
    let swapped = vec![DamageKind::Gap { expected: 1, found: 2 }, DamageKind::OutOfOrder(1)];
    assert_eq!(kinds(&[0, 2, 1, 3]), (4, swapped));
}

#[test]
fn a_newer_format_is_refused_and_a_damaged_version_number_is_not_taken_for_one() {
    let (_root, path, bytes) = log_of(&[passed("n0"), passed("n1")]);
    let mut newer = lines(&bytes)[0].clone();
    newer.extend_from_slice(br#"{"format":2,"anything":"else"}"#);
    newer.push(b'\n');
    let error = read_bytes(&path, &newer).unwrap_err();
    assert!(matches!(error, LogError::NewerFormat { line: 2, found: 2, .. }), "{error}");
    assert!(error.to_string().contains("use the version of the program that wrote it"), "{error}");
    let error = resume(path.parent().unwrap()).err().unwrap();
    assert!(error.to_string().contains("newer"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), newer, "a log that cannot be understood is left alone");

    let mut flipped = bytes;
    let digit = flipped.iter().position(|&byte| byte == b'1').unwrap();
    flipped[digit] = b'9';
    let contents = read_bytes(&path, &flipped).unwrap();
    assert_eq!((contents.records.len(), contents.damage.len()), (1, 1));
}

#[test]
fn intact_bytes_that_are_no_record_are_never_cut_off() {
    let (_root, path, _) = log_of(&[]);
    let body = r#"{"cell":"from another world"}"#;
    let checksum = blake3::hash(format!("1 0 {body}").as_bytes());
    let line = format!("{{\"format\":1,\"sequence\":0,\"checksum\":\"{checksum}\",\"record\":{body}}}\n");
    let contents = read_bytes(&path, line.as_bytes()).unwrap();
    assert_eq!((contents.records.len(), contents.torn_tail, contents.next_sequence), (0, None, 1));
    assert!(matches!(contents.damage[0].kind, DamageKind::NotARecord(_)));
    drop(resume(path.parent().unwrap()).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), line);
}

#[test]
fn a_log_that_is_being_written_can_be_read() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path());
    run.log().append(&passed("n0")).unwrap();
    assert_eq!(names(&run.contents().unwrap().records), ["determinism::voxelize::cpu::f32::n0::uniform"]);
}

/// What a reader may make of a damaged log: some of the records that were written, in their order, and nothing else.
fn assert_only_written(contents: &LogContents, written: &[Record]) {
    let mut rest = written.iter();
    for record in &contents.records {
        assert!(rest.any(|original| original == record), "a record was made up: {record:?}");
    }
}

/// A log with one record of each verdict.
static LOG: LazyLock<Vec<u8>> = LazyLock::new(|| log_of(&every_verdict()).2);

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic_and_hold_no_record(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let contents = parse_log(&bytes).unwrap();
        prop_assert_eq!(contents.records.len(), 0);
        prop_assert_eq!(contents.torn_tail.map_or(0, |tail| tail.bytes), bytes.len() as u64);
    }

    #[test]
    fn flipped_bytes_never_make_another_record(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4)
    ) {
        let records = every_verdict();
        let mut bytes = LOG.clone();
        for (index, mask) in &flips {
            bytes[index.index(LOG.len())] ^= mask;
        }
        prop_assume!(bytes != *LOG);
        // A line whose version number and checksum are both hit passes for one of a newer version: refused, not read.
        if let Ok(contents) = parse_log(&bytes) {
            assert_only_written(&contents, &records);
            prop_assert!(contents.records.len() < records.len(), "a flipped byte went unseen");
            prop_assert!(!contents.damage.is_empty() || contents.torn_tail.is_some(), "a lost record went unsaid");
        }
    }

    #[test]
    fn copied_pieces_never_make_another_record(
        // Shorter than a line, so that no whole record is repeated.
        from in any::<prop::sample::Index>(), length in 1_usize..400, to in any::<prop::sample::Index>()
    ) {
        let records = every_verdict();
        let mut bytes = LOG.clone();
        let from = from.index(bytes.len());
        let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
        let to = to.index(bytes.len());
        bytes.splice(to..to, piece);
        // A piece that begins with a larger number, put where a version number stands, makes a line of a newer version:
        // refused, not read.
        if let Ok(contents) = parse_log(&bytes) {
            assert_only_written(&contents, &records);
        }
    }
}
