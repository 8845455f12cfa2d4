//! What a file is, as far as its first bytes say: looked at before the linker sees it.
//!
//! The linker's own sentences (`invalid ELF header`, `wrong ELF class`) name neither what was found nor what to do.

use std::path::Path;

use super::SubjectError;

/// The identification and the two fields behind it: type and machine.
const HEADER_BYTES: usize = 20;

const MAGIC: &[u8] = b"\x7fELF";
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const SHARED_OBJECT: u16 = 3;

/// Machines that people meet, as `e_machine` numbers them.
const MACHINES: &[(u16, &str)] = &[
    (3, "x86"),
    (8, "mips"),
    (20, "powerpc"),
    (21, "powerpc64"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv64"),
];

/// Fails unless the first bytes of a file are those of a shared library of this machine.
pub(super) fn inspect(path: &Path, bytes: &[u8]) -> Result<(), SubjectError> {
    let not_a_library = |reason: String| SubjectError::NotALibrary { path: path.to_owned(), reason };
    let Some(header) = bytes.get(..HEADER_BYTES).filter(|header| header.starts_with(MAGIC)) else {
        return Err(not_a_library(described(bytes)));
    };
    let machine = u16::from_le_bytes([header[18], header[19]]);
    let is_of_this_kind = header[4] == CLASS_64 && header[5] == LITTLE_ENDIAN;
    let expected = std::env::consts::ARCH;
    let found = match (is_of_this_kind, MACHINES.iter().find(|(number, _)| *number == machine)) {
        (true, Some((_, name))) => (*name).to_owned(),
        (true, None) => format!("machine {machine} of ELF"),
        (false, Some((_, name))) if header[4] != CLASS_64 => format!("32-bit {name}"),
        (false, Some(_) | None) => "a machine of another word size or byte order".to_owned(),
    };
    if found != expected {
        return Err(SubjectError::WrongArchitecture { path: path.to_owned(), found, expected: expected.to_owned() });
    }
    match u16::from_le_bytes([header[16], header[17]]) {
        SHARED_OBJECT => Ok(()),
        1 => Err(not_a_library("it is an object file, not linked yet".to_owned())),
        2 => Err(not_a_library("it is a program".to_owned())),
        other => Err(not_a_library(format!("it is an ELF file of type {other}"))),
    }
}

/// What a file without an ELF header looks like.
fn described(bytes: &[u8]) -> String {
    let first = &bytes[..bytes.len().min(HEADER_BYTES)];
    if first.is_empty() {
        "the file is empty".to_owned()
    } else if first.starts_with(b"!<arch>\n") {
        "it is an archive (.a)".to_owned()
    } else if first.starts_with(MAGIC) {
        format!("the file ends after {} bytes", bytes.len())
    } else if first.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        "it is a text file".to_owned()
    } else {
        "it has no ELF header".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(class: u8, kind: u16, machine: u16) -> Vec<u8> {
        let mut header = [MAGIC, &[class, LITTLE_ENDIAN, 1], &[0; 9]].concat();
        header.extend(kind.to_le_bytes());
        header.extend(machine.to_le_bytes());
        header
    }

    fn refusal(bytes: &[u8]) -> String {
        inspect(Path::new("subject.so"), bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_library_is_called_what_it_is() {
        for (bytes, what) in [
            (&b""[..], "the file is empty"),
            (b"int main(void) { return 0; }", "it is a text file"),
            (b"!<arch>\nlibx.o/ 0 0 0", "it is an archive"),
            (b"\x7fELF\x02\x01", "the file ends after 6 bytes"),
            (&[0x90; 64], "it has no ELF header"),
        ] {
            assert!(refusal(bytes).contains(what), "{what}: {}", refusal(bytes));
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn only_shared_libraries_of_this_machine_are_let_through() {
        assert!(inspect(Path::new("subject.so"), &header(2, 3, 62)).is_ok());
        assert!(refusal(&header(1, 3, 3)).contains("is for 32-bit x86, but this program is for x86_64"));
        assert!(refusal(&header(2, 3, 183)).contains("is for aarch64, but this program is for x86_64"));
        assert!(refusal(&header(2, 3, 9999)).contains("machine 9999"));
        assert!(refusal(&header(2, 1, 62)).contains("an object file"));
        assert!(refusal(&header(2, 2, 62)).contains("it is a program"));
    }
}
