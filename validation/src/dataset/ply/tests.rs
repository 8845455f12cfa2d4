use proptest::prelude::*;

use super::*;

const ENCODINGS: [&str; 3] = ["ascii", "binary_little_endian", "binary_big_endian"];

/// Two points with features of every width, between an element in front of them and one behind.
fn file(encoding: &str) -> Vec<u8> {
    let mut file = format!(
        "ply\nformat {encoding} 1.0\ncomment by hand\nelement camera 1\nproperty double focus\nelement vertex 2\n\
         property uchar ring\nproperty float x\nproperty double y\nproperty short z\nproperty int stamp\n\
         element face 1\nproperty list uchar int corners\nend_header\n"
    )
    .into_bytes();
    if encoding == "ascii" {
        file.extend(b"0.5\n255 1.5 -2.25 -3 70000\n0 nan inf 4 -70000\n3 0 1 0\n");
        return file;
    }
    let mut push = |little: &[u8]| match encoding {
        "binary_big_endian" => file.extend(little.iter().rev()),
        _ => file.extend(little),
    };
    push(&0.5_f64.to_le_bytes());
    for (ring, x, y, z, stamp) in [(255, 1.5, -2.25, -3, 70000), (0_u8, f32::NAN, f64::INFINITY, 4_i16, -70000_i32)] {
        push(&[ring]);
        push(&x.to_le_bytes());
        push(&y.to_le_bytes());
        push(&z.to_le_bytes());
        push(&stamp.to_le_bytes());
    }
    push(&[3]);
    for corner in [0_i32, 1, 0] {
        push(&corner.to_le_bytes());
    }
    file
}

fn rejected(bytes: &[u8]) -> (&'static str, Place) {
    let flaw = parse(bytes).unwrap_err();
    (flaw.fault.kind(), flaw.place)
}

/// An ASCII file with this header behind the format line, and this body.
fn ascii(header: &str, body: &str) -> Vec<u8> {
    format!("ply\nformat ascii 1.0\n{header}end_header\n{body}").into_bytes()
}

const XYZ: &str = "property float x\nproperty float y\nproperty float z\n";

#[test]
fn every_encoding_gives_the_same_cloud() {
    for encoding in ENCODINGS {
        let cloud = parse(&file(encoding)).unwrap();
        assert_eq!(cloud.features, ["ring", "stamp"], "{encoding}");
        assert_eq!(cloud.points[..3], [1.5, -2.25, -3.0], "{encoding}");
        assert!(cloud.points[3].is_nan(), "{encoding}");
        assert_eq!(cloud.points[4..], [f64::INFINITY, 4.0], "{encoding}");
        assert_eq!(cloud.values, [255.0, 70000.0, 0.0, -70000.0], "{encoding}");
    }
}

#[test]
fn a_cloud_may_be_empty_and_without_features() {
    let cloud = parse(&ascii(&format!("element vertex 0\n{XYZ}"), "")).unwrap();
    assert_eq!(cloud, Cloud::default());
}

#[test]
fn lines_may_end_as_on_windows() {
    let text = String::from_utf8(file("ascii")).unwrap().replace('\n', "\r\n");
    assert_eq!(parse(text.as_bytes()).unwrap().values, parse(&file("ascii")).unwrap().values);
}

#[test]
fn a_file_cut_at_any_byte_is_truncated() {
    for encoding in ENCODINGS {
        let file = file(encoding);
        for cut in 0..file.len() {
            assert_eq!(rejected(&file[..cut]).0, "truncated", "{encoding} cut at byte {cut} of {}", file.len());
        }
    }
}

#[test]
fn surplus_bytes_are_refused() {
    for encoding in ENCODINGS {
        let mut file = file(encoding);
        file.push(b'7');
        assert_eq!(rejected(&file).0, "malformed", "{encoding}");
    }
}

#[test]
fn every_fault_of_a_header_has_its_kind_and_place() {
    let points = |count: &str| format!("element vertex {count}\n{XYZ}");
    for (bytes, kind, place) in [
        (b"PLY\n".to_vec(), "wrong_magic", Place::Byte(0)),
        (b"\x7fELF\x02\x01\x01".to_vec(), "wrong_magic", Place::Byte(0)),
        (b"plyformat".to_vec(), "wrong_magic", Place::Byte(0)),
        (b"ply\nformat text 1.0\n".to_vec(), "malformed", Place::Line(2)),
        (b"ply\nformat ascii 1.0\nproperty float x\n".to_vec(), "malformed", Place::Line(3)),
        (b"ply\nformat ascii 1.0\ncomment \xff\nend_header\n".to_vec(), "malformed", Place::File),
        (b"ply\nelement vertex 0\nend_header\n".to_vec(), "malformed", Place::File),
        (b"ply\nformat ascii 2.0\nelement vertex 0\nend_header\n".to_vec(), "malformed", Place::File),
        (ascii("element vertex -1\n", ""), "malformed", Place::Line(3)),
        (ascii("element vertex 99999999999999999999\n", ""), "malformed", Place::Line(3)),
        (ascii(&points("99999999"), ""), "too_large", Place::File),
        (ascii(&points("18446744073709551615"), ""), "too_large", Place::File),
        (ascii("element vertex 9\n", ""), "malformed", Place::File),
        (ascii(&format!("{}property float x\n", points("0")), ""), "malformed", Place::File),
        (ascii(&format!("{}{}", points("0"), points("0")), ""), "malformed", Place::File),
        (ascii("element face 0\n", ""), "wrong_columns", Place::File),
        (ascii("element vertex 0\nproperty float x\nproperty float y\n", ""), "wrong_columns", Place::File),
        (ascii(&format!("{}property list uchar int n\n", points("0")), ""), "wrong_columns", Place::File),
    ] {
        assert_eq!(rejected(&bytes), (kind, place), "{:?}", String::from_utf8_lossy(&bytes));
    }
    let wide: String = (0..=COLUMN_LIMIT).map(|column| format!("property float c{column}\n")).collect();
    assert_eq!(rejected(&ascii(&format!("{}{wide}", points("0")), "")).0, "too_large");
}

#[test]
fn every_fault_of_an_ascii_row_has_its_kind_and_line() {
    let header = format!("element vertex 2\n{XYZ}property uchar ring\n");
    for (body, kind) in [
        ("0 0 0 0\n1 2 x 4\n", "malformed"),
        ("0 0 0 0\n1 2 3 256\n", "malformed"),
        ("0 0 0 0\n1 2 3 0.5\n", "malformed"),
        ("0 0 0 0\n1 2 3\n", "wrong_columns"),
        ("0 0 0 0\n\n", "wrong_columns"),
        ("0 0 0 0\n1 2 3 4 5\n", "wrong_columns"),
        ("0 0 0 0\n", "truncated"),
        ("0 0 0 0\n1 2 3 4", "truncated"),
    ] {
        assert_eq!(rejected(&ascii(&header, body)), (kind, Place::Line(10)), "{body:?}");
    }
    assert_eq!(rejected(&ascii(&header, "0 0 0 0\n1 2 3 4\n\n5\n")), ("malformed", Place::Line(11)));
}

#[test]
fn a_missing_row_is_placed_at_its_first_byte() {
    let header = format!("ply\nformat binary_little_endian 1.0\nelement vertex 3\n{XYZ}end_header\n");
    let mut bytes = header.clone().into_bytes();
    bytes.extend([0; 2 * 12 + 5]);
    let flaw = parse(&bytes).unwrap_err();
    assert_eq!(flaw.place, Place::Byte((header.len() + 24) as u64));
    assert_eq!(flaw.fault.to_string(), "is cut off: element `vertex` has 3 rows, but the file ends in row 2");
}

#[test]
fn a_list_longer_than_the_file_allocates_no_more_than_the_file() {
    let header = format!(
        "ply\nformat binary_little_endian 1.0\nelement mesh 1\nproperty list uint double v\nelement vertex 0\n{XYZ}end_header\n"
    );
    let mut bytes = header.into_bytes();
    bytes.extend(u32::MAX.to_le_bytes());
    assert_eq!(rejected(&bytes).0, "truncated");
    assert_eq!(
        rejected(&ascii(
            &format!("element mesh 1\nproperty list uint double v\nelement vertex 0\n{XYZ}"),
            "4294967295 1\n"
        ))
        .0,
        "wrong_columns"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        let _ = parse(&[b"ply\n", bytes.as_slice()].concat());
    }

    #[test]
    fn no_body_makes_the_parser_panic(
        encoding in 0..3_usize,
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let file = file(ENCODINGS[encoding]);
        let end = file.windows(11).position(|window| window == b"end_header\n").unwrap() + 11;
        let _ = parse(&[&file[..end], &body].concat());
    }

    #[test]
    fn no_flipped_byte_makes_the_parser_panic(
        encoding in 0..3_usize,
        at in any::<proptest::sample::Index>(),
        to in any::<u8>(),
    ) {
        let mut file = file(ENCODINGS[encoding]);
        let at = at.index(file.len());
        file[at] = to;
        if let Ok(cloud) = parse(&file) {
            prop_assert_eq!(cloud.values.len() * 3, cloud.points.len() * cloud.features.len());
        }
    }

    #[test]
    fn no_header_makes_the_parser_panic(lines in proptest::collection::vec(
        "(format|element|property|property list|comment|obj_info|end_header)( (ascii|binary_little_endian|vertex|face|\
         x|y|z|float|uchar|int|1\\.0|[0-9]{1,20})){0,4}", 0..12)) {
        let _ = parse(format!("ply\n{}\nend_header\n1 2 3\n", lines.join("\n")).as_bytes());
    }
}
