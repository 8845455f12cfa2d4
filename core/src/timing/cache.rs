//! The size of the CPU's last cache.

use std::{fs, path::Path};

/// Where the system does not say: a common server's share of one core complex.
const FALLBACK_BYTES: usize = 32 << 20;

/// Bytes of the largest cache that the first core uses, from Linux's `/sys`.
pub fn last_level_cache_bytes() -> usize {
    largest(Path::new("/sys/devices/system/cpu/cpu0/cache")).unwrap_or(FALLBACK_BYTES)
}

/// The largest `index*/size` below `folder`.
fn largest(folder: &Path) -> Option<usize> {
    let entries = fs::read_dir(folder).ok()?;
    entries
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.ok()?.path().join("size")).ok()?;
            bytes(text.trim())
        })
        .max()
}

/// `32768K` or `32M` in bytes.
fn bytes(text: &str) -> Option<usize> {
    let (digits, unit) = match text.strip_suffix('K') {
        Some(digits) => (digits, 1 << 10),
        None => match text.strip_suffix('M') {
            Some(digits) => (digits, 1 << 20),
            None => (text, 1),
        },
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_the_kernel_writes_them() {
        assert_eq!(bytes("32768K"), Some(32 << 20));
        assert_eq!(bytes("2M"), Some(2 << 20));
        assert_eq!(bytes("512"), Some(512));
        assert_eq!(bytes("large"), None);
    }

    #[test]
    fn the_largest_cache_counts_and_a_missing_folder_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        for (index, size) in ["48K", "1024K", "32768K"].into_iter().enumerate() {
            let index = folder.path().join(format!("index{index}"));
            fs::create_dir(&index).unwrap();
            fs::write(index.join("size"), format!("{size}\n")).unwrap();
        }
        fs::create_dir(folder.path().join("power")).unwrap();
        assert_eq!(largest(folder.path()), Some(32 << 20));
        assert_eq!(largest(&folder.path().join("none")), None);
        assert!(last_level_cache_bytes() > 0);
    }
}
