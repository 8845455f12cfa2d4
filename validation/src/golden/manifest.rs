//! The list of a release's goldens.

use std::{collections::BTreeSet, fmt::Write};

use serde::{Deserialize, Serialize};

use super::{
    entry::{Golden, Stored, check_name},
    error::GoldenFlaw,
};

/// The version of manifests and of the files of goldens.
pub const VERSION: u32 = 1;

/// The name of its file in the folder of its release.
pub(super) const FILE_NAME: &str = "manifest.json";

/// What a release left for later ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format: 1.
    pub version: u32,
    /// The release.
    pub release: String,
    /// The commit of the program that wrote it, `-dirty` behind it if the program was not quite that.
    pub commit: String,
    /// The seed of the matrix, from which those of the goldens were derived.
    pub seed: u64,
    /// The goldens, in the order in which they were written.
    pub goldens: Vec<Stored>,
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl Manifest {
    /// The file: JSON with a line for each golden, so that people can read differences.
    pub fn to_json(&self) -> String {
        let Self { version, release, commit, seed, goldens } = self;
        let mut file = format!(
            "{{\n\"version\": {version},\n\"release\": {},\n\"commit\": {},\n\"seed\": {seed},\n\"goldens\": [",
            json(release),
            json(commit)
        );
        for (number, stored) in goldens.iter().enumerate() {
            let _ = write!(file, "{}\n{}", if number == 0 { "" } else { "," }, json(stored));
        }
        file + "\n]\n}\n"
    }

    /// Reads the file of a release, if it is the one of this hash.
    pub(super) fn parse(bytes: &[u8], release: &str, blake3: &str) -> Result<Self, GoldenFlaw> {
        let malformed = |error: serde_json::Error| GoldenFlaw::Malformed(error.to_string());
        // The version comes first: nothing else of a newer one is for this program to judge.
        let Versioned { version: found } = serde_json::from_slice(bytes).map_err(malformed)?;
        if found > VERSION.into() {
            return Err(GoldenFlaw::Newer { found });
        }
        let hash = blake3::hash(bytes).to_hex();
        if hash.as_str() != blake3 {
            return Err(GoldenFlaw::Altered(format!("its BLAKE3 is {hash}, and the matrix says {blake3}")));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        if manifest.release != release {
            let message = format!("it is of release {}", manifest.release.escape_default());
            return Err(GoldenFlaw::Malformed(message));
        }
        manifest.check()?;
        Ok(manifest)
    }

    /// Fails unless every golden could be one, and no two have one name.
    pub(super) fn check(&self) -> Result<(), GoldenFlaw> {
        check_name(&self.release)?;
        let mut names = BTreeSet::new();
        for Stored { golden, blake3 } in &self.goldens {
            golden.check()?;
            if blake3::Hash::from_hex(blake3).is_err() || !names.insert(golden.file_name()) {
                let message = format!("{} has no hash, or is there twice", golden.name());
                return Err(GoldenFlaw::Malformed(message));
            }
        }
        match names.is_empty() {
            true => Err(GoldenFlaw::Malformed("it has no golden".to_owned())),
            false => Ok(()),
        }
    }

    /// The golden whose file has this hash.
    pub(super) fn golden(&self, blake3: &str) -> Option<&Golden> {
        self.goldens.iter().find(|stored| stored.blake3 == blake3).map(|stored| &stored.golden)
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps with string keys")
}
