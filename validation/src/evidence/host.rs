//! The machine without its GPUs and without its name.

use std::{fs, thread};

use robocache_core::cpu::InstructionSet;
use serde::{Deserialize, Serialize};

use super::fact::Fact;

/// The processor and the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The processor's name.
    pub cpu: Fact<String>,
    /// Logical processors that this process may use.
    pub logical_cpus: Fact<usize>,
    /// Instruction sets that the operators can use, narrowest first.
    pub instruction_sets: Vec<String>,
    /// Memory in bytes.
    pub memory_bytes: Fact<u64>,
    /// The distribution, as it names itself.
    pub system: Fact<String>,
    /// The kernel's release.
    pub kernel: Fact<String>,
    /// The C library and its version.
    pub libc: Fact<String>,
}

impl Host {
    /// Looks around.
    pub fn look() -> Self {
        Self {
            cpu: field("/proc/cpuinfo", "model name", ':'),
            logical_cpus: Fact::new(thread::available_parallelism().map(usize::from)),
            instruction_sets: InstructionSet::available().iter().map(ToString::to_string).collect(),
            memory_bytes: memory_bytes(),
            system: field("/etc/os-release", "PRETTY_NAME", '=').map(|name| name.trim_matches('"').to_owned()),
            kernel: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            libc: libc(),
        }
    }
}

fn memory_bytes() -> Fact<u64> {
    const FILE: &str = "/proc/meminfo";
    match field(FILE, "MemTotal", ':') {
        Fact::Missing { missing } => Fact::Missing { missing },
        Fact::Known(text) => {
            let kibibytes = text.strip_suffix(" kB").and_then(|number| number.parse::<u64>().ok());
            Fact::new(kibibytes.map(|number| number << 10).ok_or(format!("{FILE}: `{text}` is not a number of kB")))
        }
    }
}

/// The value of the first line `key<separator>value` of a file.
fn field(file: &str, key: &str, separator: char) -> Fact<String> {
    match read(file) {
        Fact::Missing { missing } => Fact::Missing { missing },
        Fact::Known(text) => {
            let mut fields = text.lines().filter_map(|line| line.split_once(separator));
            let value = fields.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned());
            Fact::new(value.ok_or(format!("{file} has no `{key}`")))
        }
    }
}

fn read(file: &str) -> Fact<String> {
    Fact::new(fs::read_to_string(file).map_err(|error| format!("{file}: {error}")))
}

#[cfg(target_env = "gnu")]
fn libc() -> Fact<String> {
    use std::ffi::{CStr, c_char};

    unsafe extern "C" {
        safe fn gnu_get_libc_version() -> *const c_char;
    }
    // SAFETY: glibc returns a pointer to a constant string with a terminating zero, which is never freed.
    let version = unsafe { CStr::from_ptr(gnu_get_libc_version()) };
    Fact::Known(format!("glibc {}", version.to_string_lossy()))
}

#[cfg(not(target_env = "gnu"))]
fn libc() -> Fact<String> {
    Fact::Missing { missing: "the program is not linked with glibc".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_fact_says_where_it_was_looked_for() {
        assert_eq!(
            field("/proc/version", "model name", ':'),
            Fact::Missing { missing: "/proc/version has no `model name`".to_owned() }
        );
        let Fact::Missing { missing } = read("/nonexistent") else { panic!("there is no such file") };
        assert!(missing.starts_with("/nonexistent: "), "{missing}");
    }

    #[test]
    fn this_machine_has_memory_and_a_baseline() {
        let host = Host::look();
        assert!(matches!(host.memory_bytes, Fact::Known(bytes) if bytes > 1 << 20));
        assert_eq!(host.instruction_sets.first().map(String::as_str), Some("baseline"));
    }
}
