//! PLY point clouds: ASCII, binary little endian and binary big endian.
//!
//! The header and binary rows are read by `ply-rs-bw`. What it leaves open is closed here: it reads as many rows as the
//! header claims, also rows of no bytes; lets a second property of one name replace the first, which shifts every
//! value behind it; and leaves surplus values and bytes unread. Its grammar of ASCII numbers has no `nan`, which
//! scanners write for "no return", so ASCII rows are split here.

use std::io::ErrorKind;

use ply_rs_bw::{
    parser::{ParseError, Parser, Reader},
    ply::{ElementDef, Encoding, Header, PropertyAccess, PropertyAccessResult, PropertyType, ScalarType},
};

use super::{
    cloud::Cloud,
    error::{Fault, Flaw, Place, quoted},
    file::{COLUMN_LIMIT, ROW_LIMIT, check_limit},
};

/// The element whose rows are the points.
const POINTS: &str = "vertex";

/// The properties that are coordinates.
const AXES: [&str; 3] = ["x", "y", "z"];

/// A cloud from the bytes of a PLY file: `x`, `y`, `z` and all other scalar properties of the element `vertex`.
///
/// Other elements must be whole, but their values are not kept.
pub(super) fn parse(bytes: &[u8]) -> Result<Cloud, Flaw> {
    check_magic(bytes)?;
    let mut reader = Reader::new(bytes);
    let header = Parser::<Row>::new().read_header(&mut reader).map_err(|error| header_flaw(bytes, &error))?;
    let body = reader.into_inner();
    let header_length = bytes.len() - body.len();
    check_header(&header, &bytes[..header_length]).map_err(|fault| Place::File.holds(fault))?;

    let mut body = Body { bytes, rest: body, line: count_lines(&bytes[..header_length]) };
    let mut cloud = Cloud::default();
    for element in header.elements.values() {
        let mut columns = if element.name == POINTS { Some(Columns::of(element)) } else { None };
        for row in 0..element.count {
            let values = match header.encoding {
                Encoding::Ascii => body.ascii_row(element, row)?,
                Encoding::BinaryLittleEndian => body.binary_row(element, row, Parser::read_little_endian_element)?,
                Encoding::BinaryBigEndian => body.binary_row(element, row, Parser::read_big_endian_element)?,
            };
            if let Some(columns) = &mut columns {
                columns.push(&values, &mut cloud);
            }
        }
        if let Some(columns) = columns {
            cloud.features = columns.features;
        }
    }
    body.check_end(header.encoding)?;
    Ok(cloud)
}

fn check_magic(bytes: &[u8]) -> Result<(), Flaw> {
    if bytes.starts_with(b"ply\n") || bytes.starts_with(b"ply\r\n") {
        return Ok(());
    }
    Err(Place::Byte(0).holds(if b"ply\n".starts_with(bytes) || b"ply\r\n".starts_with(bytes) {
        Fault::Truncated("it ends in its first line".into())
    } else {
        Fault::WrongMagic { found: quoted(&bytes[..bytes.len().min(8)]) }
    }))
}

fn header_flaw(bytes: &[u8], error: &ParseError) -> Flaw {
    if error.kind() == ErrorKind::UnexpectedEof {
        let place = Place::Byte(bytes.len() as u64);
        return place.holds(Fault::Truncated("it ends inside the header, before `end_header`".into()));
    }
    let Some(line) = error.line() else {
        let detail = match error.kind() {
            ErrorKind::InvalidData => "the header holds bytes that are not UTF-8",
            _ => "the header needs one line `format ENCODING 1.0`",
        };
        return Place::File.holds(Fault::Malformed(detail.into()));
    };
    // The error's own text is not used: it quotes the line whatever its length and control characters.
    let (start, text) = line_at(bytes, line);
    if start + text.len() == bytes.len() && !bytes.ends_with(b"\n") {
        let place = Place::Byte(bytes.len() as u64);
        return place.holds(Fault::Truncated("it ends inside the header, before `end_header`".into()));
    }
    let detail = format!("the header line {} is not PLY", quoted(text));
    Place::Line(line as u64).holds(Fault::Malformed(detail))
}

/// Line `number`, counted from 1, without its end, and where it starts.
fn line_at(bytes: &[u8], number: usize) -> (usize, &[u8]) {
    let mut start = 0;
    for _ in 1..number {
        start += bytes[start..].iter().position(|&byte| byte == b'\n').map_or(bytes.len() - start, |end| end + 1);
    }
    (start, bytes[start..].split(|&byte| byte == b'\n').next().unwrap_or_default())
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

fn check_header(header: &Header, text: &[u8]) -> Result<(), Fault> {
    if (header.version.major, header.version.minor) != (1, 0) {
        return Err(Fault::Malformed(format!("the format's version is {}, but only 1.0 is known", header.version)));
    }
    // Names that come twice replace each other in the header's maps.
    let declared = |keyword: &[u8]| {
        let first_word = |line: &[u8]| line.split(u8::is_ascii_whitespace).next() == Some(keyword);
        text.split(|&byte| byte == b'\n').filter(|line| first_word(line)).count()
    };
    let properties: usize = header.elements.values().map(|element| element.properties.len()).sum();
    if (declared(b"element"), declared(b"property")) != (header.elements.len(), properties) {
        return Err(Fault::Malformed("the header declares an element or a property twice".into()));
    }
    for element in header.elements.values() {
        check_limit("rows of one element", element.count as u64, ROW_LIMIT)?;
        check_limit("properties of one element", element.properties.len() as u64, COLUMN_LIMIT)?;
        if element.properties.is_empty() && element.count > 0 {
            return Err(Fault::Malformed(format!("element `{}` has rows, but no property", element.name)));
        }
    }
    let points = header.elements.get(POINTS);
    let points = points.ok_or_else(|| Fault::WrongColumns("there is no element `vertex`".into()))?;
    if let Some(axis) = AXES.into_iter().find(|&axis| !points.properties.contains_key(axis)) {
        return Err(Fault::WrongColumns(format!("the points have no property `{axis}`")));
    }
    let is_list = |data_type: &PropertyType| match data_type {
        PropertyType::Scalar(_) => false,
        PropertyType::List(..) => true,
    };
    match points.properties.values().find(|property| is_list(&property.data_type)) {
        Some(list) => Err(Fault::WrongColumns(format!("property `{}` of the points is a list", list.name))),
        None => Ok(()),
    }
}

/// Which value of a row goes where.
struct Columns {
    axes: [usize; 3],
    others: Vec<usize>,
    features: Vec<String>,
}

impl Columns {
    /// The columns of an element that has every axis.
    fn of(element: &ElementDef) -> Self {
        let names: Vec<&str> = element.properties.keys().map(String::as_str).collect();
        let is_feature = |&column: &usize| !AXES.contains(&names[column]);
        let others: Vec<usize> = (0..names.len()).filter(is_feature).collect();
        Self {
            axes: AXES.map(|axis| element.properties.get_index_of(axis).expect("the header has been checked")),
            features: others.iter().map(|&column| names[column].to_owned()).collect(),
            others,
        }
    }

    fn push(&self, row: &Row, cloud: &mut Cloud) {
        cloud.points.extend(self.axes.map(|column| row.0[column]));
        cloud.values.extend(self.others.iter().map(|&column| row.0[column]));
    }
}

/// What has not been read yet.
struct Body<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
    /// Lines read so far; only meaningful in ASCII.
    line: u64,
}

impl<'a> Body<'a> {
    fn place(&self) -> Place {
        Place::Byte((self.bytes.len() - self.rest.len()) as u64)
    }

    fn cut_off(element: &ElementDef, row: usize) -> Fault {
        Fault::Truncated(format!(
            "element `{}` has {} rows, but the file ends in row {row}",
            element.name, element.count
        ))
    }

    fn binary_row(
        &mut self,
        element: &ElementDef,
        row: usize,
        read: impl Fn(&Parser<Row>, &mut &'a [u8], &ElementDef) -> Result<Row, ParseError>,
    ) -> Result<Row, Flaw> {
        let place = self.place();
        read(&Parser::new(), &mut self.rest, element).map_err(|error| {
            place.holds(match error.kind() {
                ErrorKind::UnexpectedEof => Self::cut_off(element, row),
                _ => Fault::Malformed(format!("row {row} of element `{}`: {error}", element.name)),
            })
        })
    }

    fn ascii_row(&mut self, element: &ElementDef, row: usize) -> Result<Row, Flaw> {
        self.line += 1;
        let place = Place::Line(self.line);
        // A number without its line end may be a part of the number.
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or_else(|| place.holds(Self::cut_off(element, row)))?;
        let (line, rest) = self.rest.split_at(end + 1);
        self.rest = rest;
        ascii_values(line, element).map_err(|fault| place.holds(fault))
    }

    /// Fails if anything but empty ASCII lines is left.
    fn check_end(&self, encoding: Encoding) -> Result<(), Flaw> {
        let ascii = encoding == Encoding::Ascii;
        if self.rest.is_empty() || ascii && self.rest.trim_ascii().is_empty() {
            return Ok(());
        }
        let place = if ascii { Place::Line(self.line + 1) } else { self.place() };
        Err(place.holds(Fault::Malformed(format!("{} bytes follow the last row of the header", self.rest.len()))))
    }
}

fn ascii_values(line: &[u8], element: &ElementDef) -> Result<Row, Fault> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let missing =
        || Fault::WrongColumns(format!("the row ends before the last property of element `{}`", element.name));
    let mut row = Row::default();
    for property in element.properties.values() {
        let word = words.next().ok_or_else(missing)?;
        match &property.data_type {
            PropertyType::Scalar(scalar) => row.0.push(ascii_value(word, scalar)?),
            PropertyType::List(length, scalar) => {
                // Lists are not kept, but their values must be there.
                for _ in 0..ascii_value(word, length)? as u64 {
                    ascii_value(words.next().ok_or_else(missing)?, scalar)?;
                }
            }
        }
    }
    match words.next() {
        Some(word) => Err(Fault::WrongColumns(format!("{} follows the last property of the row", quoted(word)))),
        None => Ok(row),
    }
}

fn ascii_value(word: &[u8], scalar: &ScalarType) -> Result<f64, Fault> {
    let text = std::str::from_utf8(word).ok();
    let value = text.and_then(|text| match scalar {
        ScalarType::Char => text.parse::<i8>().ok().map(f64::from),
        ScalarType::UChar => text.parse::<u8>().ok().map(f64::from),
        ScalarType::Short => text.parse::<i16>().ok().map(f64::from),
        ScalarType::UShort => text.parse::<u16>().ok().map(f64::from),
        ScalarType::Int => text.parse::<i32>().ok().map(f64::from),
        ScalarType::UInt => text.parse::<u32>().ok().map(f64::from),
        // The value of a `float` is the f32 nearest to its text; through f64 it would be rounded twice.
        ScalarType::Float => text.parse::<f32>().ok().map(f64::from),
        ScalarType::Double => text.parse::<f64>().ok(),
    });
    value.ok_or_else(|| Fault::Malformed(format!("{} is not a value of type {}", quoted(word), name_of(scalar))))
}

fn name_of(scalar: &ScalarType) -> &'static str {
    match scalar {
        ScalarType::Char => "char",
        ScalarType::UChar => "uchar",
        ScalarType::Short => "short",
        ScalarType::UShort => "ushort",
        ScalarType::Int => "int",
        ScalarType::UInt => "uint",
        ScalarType::Float => "float",
        ScalarType::Double => "double",
    }
}

/// The scalar values of one row, in the order of the header. Every type fits an f64 exactly.
#[derive(Debug, Default)]
struct Row(Vec<f64>);

impl Row {
    fn push(&mut self, value: impl Into<f64>) -> PropertyAccessResult {
        self.0.push(value.into());
        PropertyAccessResult::Set
    }
}

impl PropertyAccess for Row {
    fn new() -> Self {
        Self::default()
    }

    fn set_char(&mut self, _: &str, value: i8) -> PropertyAccessResult {
        self.push(value)
    }

    fn set_uchar(&mut self, _: &str, value: u8) -> PropertyAccessResult {
        self.push(value)
    }

    fn set_short(&mut self, _: &str, value: i16) -> PropertyAccessResult {
        self.push(value)
    }

    fn set_ushort(&mut self, _: &str, value: u16) -> PropertyAccessResult {
        self.push(value)
    }

    fn set_int(&mut self, _: &str, value: i32) -> PropertyAccessResult {
        self.push(value)
    }

    fn set_uint(&mut self, _: &str, value: u32) -> PropertyAccessResult {
        self.push(value)
    }

    fn set_float(&mut self, _: &str, value: f32) -> PropertyAccessResult {
        self.push(value)
    }

    fn set_double(&mut self, _: &str, value: f64) -> PropertyAccessResult {
        self.push(value)
    }
}

#[cfg(test)]
mod tests;
