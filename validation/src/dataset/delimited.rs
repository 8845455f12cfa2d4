//! Trajectories as text: one sample a line, a time and then its channels.

use csv::ByteRecord;

use super::{
    error::{Fault, Flaw, Place, quoted},
    file::{COLUMN_LIMIT, ROW_LIMIT, check_limit},
    nanoseconds,
    trajectory::Trajectory,
};

/// What separates columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separator {
    /// One comma; quotes and blanks around a value mean nothing.
    Comma,
    /// Any number of blanks.
    Blanks,
}

/// Comma-separated: integer nanoseconds, then channels. Empty lines and lines that begin with `#` are skipped.
pub(super) fn parse_csv_nanoseconds(bytes: &[u8]) -> Result<Trajectory, Flaw> {
    parse(bytes, Separator::Comma, nanoseconds::from_integer)
}

/// TUM RGB-D: decimal seconds, then channels, separated by blanks. Empty lines and lines that begin with `#` are
/// skipped.
pub(super) fn parse_tum(bytes: &[u8]) -> Result<Trajectory, Flaw> {
    parse(bytes, Separator::Blanks, nanoseconds::from_decimal_seconds)
}

fn parse(
    bytes: &[u8],
    separator: Separator,
    parse_time: impl Fn(&str) -> Result<i64, Fault>,
) -> Result<Trajectory, Flaw> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .delimiter(match separator {
            Separator::Comma => b',',
            Separator::Blanks => b' ',
        })
        .quoting(separator == Separator::Comma)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(bytes);
    let mut lines = LineCounter::new(bytes);
    let mut trajectory = Trajectory::default();
    let mut record = ByteRecord::new();
    loop {
        let found = reader.read_byte_record(&mut record);
        let line = lines.line_ending_at(reader.position().byte());
        match found {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(Place::Line(line).holds(Fault::Malformed(error.to_string()))),
        }
        let columns: Vec<&[u8]> = match separator {
            Separator::Comma => record.iter().map(<[u8]>::trim_ascii).collect(),
            Separator::Blanks => {
                let blank = |byte: &u8| byte.is_ascii_whitespace();
                record.iter().flat_map(|field| field.split(blank)).filter(|column| !column.is_empty()).collect()
            }
        };
        if columns.iter().all(|column| column.is_empty()) && columns.len() <= 1 {
            continue;
        }
        push_sample(&mut trajectory, line, &columns, &parse_time).map_err(|fault| Place::Line(line).holds(fault))?;
    }
    // Asked last, so that the more telling fault of a half line comes first.
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        let place = Place::Line(lines.line_ending_at(bytes.len() as u64));
        let detail = "the last line has no line end, so a part of it may be missing; add one if the file is whole";
        return Err(place.holds(Fault::Truncated(detail.into())));
    }
    if trajectory.times.is_empty() {
        return Err(Place::File.holds(Fault::Empty));
    }
    Ok(trajectory)
}

/// Adds one line to the trajectory.
fn push_sample(
    trajectory: &mut Trajectory,
    line: u64,
    columns: &[&[u8]],
    parse_time: impl Fn(&str) -> Result<i64, Fault>,
) -> Result<(), Fault> {
    check_limit("columns", columns.len() as u64, COLUMN_LIMIT)?;
    check_limit("samples", trajectory.times.len() as u64 + 1, ROW_LIMIT)?;
    let (time, channels) = columns.split_first().expect("lines without columns are skipped");
    let malformed = |column: usize, text: &[u8]| {
        Fault::Malformed(format!("column {} holds {}, which is not a number", column + 1, quoted(text)))
    };
    let time = std::str::from_utf8(time).map_err(|_| malformed(0, time))?;
    let time = parse_time(time)?;
    if let Some(&earlier) = trajectory.times.last()
        && time < earlier
    {
        return Err(Fault::DecreasingTimes { earlier, later: time });
    }
    if channels.is_empty() {
        return Err(Fault::WrongColumns("the line has a time, but no channel".into()));
    }
    if trajectory.times.is_empty() {
        trajectory.channels = channels.len();
    } else if trajectory.channels != channels.len() {
        return Err(Fault::WrongColumns(format!(
            "the line has {} columns, but the lines before it have {}",
            columns.len(),
            trajectory.channels + 1
        )));
    }
    for (column, text) in channels.iter().enumerate() {
        let value = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        trajectory.values.push(value.ok_or_else(|| malformed(column + 1, text))?);
    }
    trajectory.times.push(time);
    trajectory.lines.push(line);
    Ok(())
}

/// Finds line numbers from byte positions that never decrease.
///
/// The csv crate's own numbers are those of where it began to look for a record, comments in front of it included.
struct LineCounter<'a> {
    bytes: &'a [u8],
    counted: usize,
    newlines: u64,
}

impl<'a> LineCounter<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, counted: 0, newlines: 0 }
    }

    /// The number, counted from 1, of the line whose text or line end ends at `byte`.
    fn line_ending_at(&mut self, byte: u64) -> u64 {
        let end = usize::try_from(byte).unwrap_or(usize::MAX).min(self.bytes.len());
        let end = if end > 0 && self.bytes[end - 1] == b'\n' { end - 1 } else { end };
        if end > self.counted {
            self.newlines += self.bytes[self.counted..end].iter().filter(|&&byte| byte == b'\n').count() as u64;
            self.counted = end;
        }
        self.newlines + 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CSV: &str = "\
        # timestamp [ns], x [m], y [m]\n\
        1403715524907143168, 0.5, -1.25\n\
        \n\
        1403715524912143104,0.25,1e-3\r\n\
        # a remark\n\
        1403715524912143104,nan,-inf\n";

    const TUM: &str = "\
        # timestamp tx ty\n\
        1311868163.8697 -0.1357  1.5\n\
        1311868163.8731\t2.5 .5\n\
        1.3118681640e+09 0 0\n";

    fn rejected(parsed: Result<Trajectory, Flaw>) -> (&'static str, Place) {
        let flaw = parsed.unwrap_err();
        (flaw.fault.kind(), flaw.place)
    }

    #[test]
    fn nanoseconds_and_channels_are_read() {
        let trajectory = parse_csv_nanoseconds(CSV.as_bytes()).unwrap();
        assert_eq!(trajectory.times, [1_403_715_524_907_143_168, 1_403_715_524_912_143_104, 1_403_715_524_912_143_104]);
        assert_eq!(trajectory.channels, 2);
        assert_eq!(trajectory.values[..4], [0.5, -1.25, 0.25, 1e-3]);
        assert!(trajectory.values[4].is_nan() && trajectory.values[5] == f64::NEG_INFINITY);
        assert_eq!(trajectory.lines, [2, 4, 6]);
    }

    #[test]
    fn decimal_seconds_are_read_exactly() {
        let trajectory = parse_tum(TUM.as_bytes()).unwrap();
        assert_eq!(trajectory.times, [1_311_868_163_869_700_000, 1_311_868_163_873_100_000, 1_311_868_164_000_000_000]);
        assert_eq!(trajectory.values, [-0.1357, 1.5, 2.5, 0.5, 0.0, 0.0]);
        assert_eq!(trajectory.lines, [2, 3, 4]);
    }

    #[test]
    fn every_fault_has_its_kind_and_line() {
        for (text, kind, line) in [
            ("1,2\nnan,2\n", "nan_time", 2),
            ("# x\n\n1,2\n#\n-inf,2\n", "nan_time", 5),
            ("1,2\n3,4\n2,4\n", "decreasing_times", 3),
            ("1,2\n3,4,5\n", "wrong_columns", 2),
            ("1\n", "wrong_columns", 1),
            ("1,2\n\n3,x\n", "malformed", 3),
            ("1,2\n3,\n", "malformed", 2),
            ("timestamp,x\n1,2\n", "malformed", 1),
            ("1.5,2\n", "malformed", 1),
            ("99999999999999999999,2\n", "malformed", 1),
            ("1,2\n3,4", "truncated", 2),
            ("1,2\n3,4\n#", "truncated", 3),
            ("1,\"2\n3,4\n", "malformed", 2),
        ] {
            assert_eq!(rejected(parse_csv_nanoseconds(text.as_bytes())), (kind, Place::Line(line)), "{text:?}");
        }
        for (text, kind, line) in [
            ("1.0 2\nNaN 2\n", "nan_time", 2),
            ("1.0 2\n0.999999999 2\n", "decreasing_times", 2),
            ("1.0000000001 2\n", "time_too_fine", 1),
            ("1.0 2\n2.0\n", "wrong_columns", 2),
            ("1.0,2\n", "malformed", 1),
        ] {
            assert_eq!(rejected(parse_tum(text.as_bytes())), (kind, Place::Line(line)), "{text:?}");
        }
        for parse in [parse_csv_nanoseconds, parse_tum] {
            assert_eq!(rejected(parse(b"")), ("empty", Place::File));
            assert_eq!(rejected(parse(b"# only a remark\n")), ("empty", Place::File));
        }
        let wide = format!("1{}\n", ",1".repeat(COLUMN_LIMIT as usize));
        assert_eq!(rejected(parse_csv_nanoseconds(wide.as_bytes())), ("too_large", Place::Line(1)));
    }

    #[test]
    fn a_file_cut_at_any_byte_is_refused_or_ends_with_a_whole_line() {
        type Parse = fn(&[u8]) -> Result<Trajectory, Flaw>;
        for (text, parse) in [(CSV, parse_csv_nanoseconds as Parse), (TUM, parse_tum as Parse)] {
            let whole = parse(text.as_bytes()).unwrap();
            for cut in 0..text.len() {
                if let Ok(part) = parse(&text.as_bytes()[..cut]) {
                    assert!(text[..cut].ends_with('\n'), "accepted when cut at byte {cut}");
                    assert_eq!(part.times, whole.times[..part.times.len()]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_csv_nanoseconds(&bytes);
            let _ = parse_tum(&bytes);
        }

        #[test]
        fn no_text_of_the_alphabet_makes_a_parser_panic(text in "[0-9eE.,+\\- \t\r\n#\"nainf]{0,120}") {
            for parsed in [parse_csv_nanoseconds(text.as_bytes()), parse_tum(text.as_bytes())].into_iter().flatten() {
                prop_assert!(parsed.times.is_sorted());
                prop_assert_eq!(parsed.values.len(), parsed.times.len() * parsed.channels);
                prop_assert_eq!(parsed.lines.len(), parsed.times.len());
            }
        }
    }
}
