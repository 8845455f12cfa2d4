//! What a subject says of itself, as facts that need no library.

use std::{
    ffi::{CStr, c_char},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::abi::{self, Info};
use crate::{
    dtype::DType,
    operators::{times::TimeKind, voxelize::VoxelMode},
    parameters::{Parameters, Value},
};

/// The most bytes of a name or a version.
const LONGEST_TEXT: usize = 200;

/// A subject's identity and what it can do. Its path is no part of it: the hash says which file it is, wherever it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The name that it gives itself.
    pub name: String,
    /// The version that it gives itself.
    pub version: String,
    /// BLAKE3 of its file, in hexadecimal.
    pub hash: String,
    /// The version of the ABI that it was built for.
    pub abi_version: u32,
    /// Where it computes.
    pub device: Place,
    /// The operators that it exports.
    pub operators: Vec<String>,
    /// What it takes.
    pub accepts: Accepted,
}

/// Where a subject computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The host's processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

/// The words, as the matrix writes them, that a subject takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Dtypes of data.
    pub dtypes: Vec<String>,
    /// Dtypes of times.
    pub times: Vec<String>,
    /// Modes of `voxelize`.
    pub modes: Vec<String>,
}

impl Description {
    /// What the subject lacks for a problem of this operator; `None` if it lacks nothing.
    pub fn lacks(&self, operator: &str, dtype: DType, parameters: &Parameters) -> Option<String> {
        if !self.operators.iter().any(|exported| exported == operator) {
            return Some(format!("it does not export rc_{operator}"));
        }
        let word = |name: &str| match parameters.get(name) {
            Some(Value::Word(word)) => Some(word.as_str()),
            Some(Value::Integer(_) | Value::Number(_) | Value::List(_)) | None => None,
        };
        let dtype = dtype.name();
        let (times, mode) = (word("times").unwrap_or(TimeKind::F32Seconds.dtype().name()), word("mode"));
        let Accepted { dtypes, times: taken_times, modes } = &self.accepts;
        let takes = |taken: &[String], word: &str| taken.iter().any(|taken| taken == word);
        // Counting takes no features, so that its dtype is that of the points, which every subject takes.
        let takes_features = VoxelMode::ALL.iter().any(|known| mode == Some(known.name()) && known.takes_features());
        if (mode.is_none() || takes_features) && !takes(dtypes, dtype) {
            return Some(format!("it takes no {dtype}"));
        }
        match mode {
            Some(mode) if !takes(modes, mode) => Some(format!("it has no mode {mode}")),
            None if !takes(taken_times, times) => Some(format!("it takes no times of {times}")),
            Some(_) | None => None,
        }
    }
}

impl Accepted {
    /// The words that the masks of a description stand for.
    pub(super) fn from_info(info: &Info) -> Self {
        let taken = |mask: u32, number: u32| mask == 0 || mask >> number & 1 == 1;
        let floats = [DType::F32, DType::F16, DType::Bf16];
        let times = [TimeKind::F32Seconds, TimeKind::I64Nanoseconds];
        Self {
            dtypes: floats
                .into_iter()
                .filter(|&dtype| taken(info.dtypes, abi::dtype(dtype)))
                .map(|dtype| dtype.name().to_owned())
                .collect(),
            times: times
                .into_iter()
                .filter(|&times| taken(info.time_dtypes, abi::times(times)))
                .map(|times| times.dtype().name().to_owned())
                .collect(),
            modes: VoxelMode::ALL
                .into_iter()
                .filter(|&mode| taken(info.voxel_modes, abi::mode(mode)))
                .map(|mode| mode.name().to_owned())
                .collect(),
        }
    }
}

/// A text that a subject points to; the error says what is wrong with it.
///
/// # Safety
/// `text` must be null or point to bytes that end with a zero byte, or to more than [`LONGEST_TEXT`] readable ones.
pub(super) unsafe fn text(field: &str, text: *const c_char) -> Result<String, String> {
    if text.is_null() {
        return Err(format!("`{field}` is null; point it to a text, such as \"mine\""));
    }
    let mut bytes = Vec::new();
    for position in 0..=LONGEST_TEXT {
        // SAFETY: no zero byte came before, so that this byte is readable by the caller's promise.
        match unsafe { *text.add(position) } as u8 {
            0 => break,
            byte => bytes.push(byte),
        }
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.trim().is_empty() => Err(format!("`{field}` is empty")),
        Ok(_) if bytes.len() > LONGEST_TEXT => Err(format!("`{field}` is longer than {LONGEST_TEXT} bytes")),
        Ok(text) if text.chars().any(char::is_control) => Err(format!("`{field}` has control characters")),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(format!("`{field}` is not UTF-8")),
    }
}

/// What a subject wrote into its message buffer, on one line.
pub(super) fn message(buffer: &[u8]) -> String {
    let text = CStr::from_bytes_until_nul(buffer).map_or(buffer, CStr::to_bytes);
    let text = String::from_utf8_lossy(text);
    text.trim().chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        })
    }
}

impl fmt::Display for Description {
    /// `name version`, with the beginning of the hash.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, hash, .. } = self;
        write!(formatter, "{name} {version} ({})", hash.get(..16).unwrap_or(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(accepts: Accepted) -> Description {
        let operators = vec!["resample".to_owned(), "voxelize".to_owned()];
        let (name, version, hash) = ("mine".to_owned(), "1".to_owned(), "0".repeat(64));
        Description { name, version, hash, abi_version: 1, device: Place::Cpu, operators, accepts }
    }

    fn masks(dtypes: u32, time_dtypes: u32, voxel_modes: u32) -> Accepted {
        let null = std::ptr::null();
        let [size, resample_args_size, fuse_args_size, voxelize_args_size, stream_size] = [0; 5];
        Accepted::from_info(&Info {
            size,
            abi_version: 1,
            device: 0,
            name: null,
            version: null,
            resample_args_size,
            fuse_args_size,
            voxelize_args_size,
            stream_size,
            dtypes,
            time_dtypes,
            voxel_modes,
            reserved: 0,
        })
    }

    fn words<const N: usize>(words: [(&str, &str); N]) -> Parameters {
        Parameters::new(words.map(|(name, word)| (name.to_owned(), Value::Word(word.to_owned()))))
    }

    #[test]
    fn masks_of_zero_take_everything() {
        let all = description(masks(0, 0, 0));
        for mode in VoxelMode::WORDS {
            assert_eq!(all.lacks("voxelize", DType::Bf16, &words([("mode", mode)])), None);
        }
        assert_eq!(all.lacks("resample", DType::F16, &words([("times", "i64")])), None);
        assert_eq!(all.lacks("fuse", DType::F32, &words([])).unwrap(), "it does not export rc_fuse");
    }

    #[test]
    fn what_is_not_taken_is_named() {
        let some = description(masks(1 << 0, 1 << 0, 1 << 0 | 1 << 3));
        let lacks = |operator, dtype, parameters| some.lacks(operator, dtype, &parameters);
        assert_eq!(lacks("resample", DType::Bf16, words([])).unwrap(), "it takes no bf16");
        assert_eq!(lacks("resample", DType::F32, words([("times", "i64")])).unwrap(), "it takes no times of i64");
        assert_eq!(lacks("voxelize", DType::F32, words([("mode", "mean")])).unwrap(), "it has no mode mean");
        assert_eq!(lacks("voxelize", DType::F16, words([("mode", "max")])).unwrap(), "it takes no f16");
        assert_eq!(lacks("voxelize", DType::F32, words([("mode", "count")])), None);
        let no_f32 = description(masks(1 << 2, 0, 0));
        assert_eq!(no_f32.lacks("voxelize", DType::F32, &words([("mode", "count")])), None);
    }

    #[test]
    fn texts_are_checked_before_they_are_believed() {
        // SAFETY: each literal ends with a zero byte.
        let read = |bytes: &CStr| unsafe { text("name", bytes.as_ptr()) };
        assert_eq!(read(c"mine").unwrap(), "mine");
        assert_eq!(read(c" ").unwrap_err(), "`name` is empty");
        assert!(read(c"a\x1b[31m").unwrap_err().contains("control characters"));
        assert!(read(c"\xFF").unwrap_err().contains("not UTF-8"));
        let long = std::ffi::CString::new(vec![b'a'; 5000]).unwrap();
        assert!(read(&long).unwrap_err().contains("longer than 200"));
        // SAFETY: null is allowed.
        assert!(unsafe { text("name", std::ptr::null()) }.unwrap_err().contains("null"));
    }

    #[test]
    fn a_message_is_one_line_however_it_ends() {
        assert_eq!(message(b"no memory\nat all\0rest"), "no memory at all");
        assert_eq!(message(b"unterminated"), "unterminated");
        assert_eq!(message(b"\0"), "");
    }
}
