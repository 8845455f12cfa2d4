//! Writing the goldens of a release, once.

use std::{fs, path::Path};

use robocache_core::{dtype::DType, operator::Operator, parameters::Parameters, random::Seed, registry::Registry};

use super::{
    corpus::Corpus,
    entry::{Golden, Stored, check_name},
    error::{GoldenError, GoldenFlaw},
    file::encode,
    manifest::{FILE_NAME, Manifest, VERSION},
};
use crate::{
    cell::{Cell, Input},
    evidence::{Program, StorageError, storage},
    matrix::{Matrix, Recipe},
    suites::{BACKWARD_COMPAT, golden_outputs},
};

/// A corpus that was written.
pub(super) struct Written {
    pub(super) corpus: Corpus,
    pub(super) manifest_hash: String,
    pub(super) bytes: usize,
}

/// Writes what the matrix says under `goldens`, computed on the CPU and held against the reference. The files appear
/// all at once, or not at all.
pub(super) fn write(
    registry: &Registry,
    matrix: &Matrix,
    goldens: &Path,
    release: &str,
) -> Result<Written, GoldenError> {
    let folder = goldens.join(release);
    let failed = |error: StorageError| GoldenFlaw::System(error.source).of(&error.path);
    check_name(release).map_err(|flaw| flaw.of(goldens))?;
    if fs::symlink_metadata(&folder).is_ok() {
        return Err(GoldenFlaw::Exists(release.to_owned()).of(&folder));
    }
    let recipe = matrix.recipe.as_ref().ok_or_else(|| GoldenFlaw::NoRecipe.of(Path::new(matrix.file_name())))?;
    storage::create_folder(goldens).map_err(failed)?;
    let unfinished = tempfile::Builder::new()
        .prefix(".unfinished-")
        .tempdir_in(goldens)
        .map_err(|error| GoldenFlaw::System(error).of(goldens))?;

    let mut stored = Vec::new();
    let mut bytes = 0;
    for wanted in wanted(registry, matrix, recipe) {
        let (golden, file) = wanted.make(matrix.seed).map_err(|flaw| flaw.of(&folder))?;
        bytes += file.len();
        storage::write_atomically(&unfinished.path().join(golden.file_name()), &file).map_err(failed)?;
        stored.push(Stored { golden, blake3: blake3::hash(&file).to_hex().to_string() });
    }
    let commit = Program::with_hash(String::new()).source_folder();
    let manifest =
        Manifest { version: VERSION, release: release.to_owned(), commit, seed: matrix.seed, goldens: stored };
    manifest.check().map_err(|flaw| flaw.of(&folder))?;
    let text = manifest.to_json();
    storage::write_atomically(&unfinished.path().join(FILE_NAME), text.as_bytes()).map_err(failed)?;
    publish(unfinished.path(), &folder, release)?;
    storage::sync_folder_of(&folder).map_err(failed)?;
    let manifest_hash = blake3::hash(text.as_bytes()).to_hex().to_string();
    Ok(Written { corpus: Corpus { folder, manifest }, manifest_hash, bytes: bytes + text.len() })
}

/// Gives a finished folder its name, which nothing may have yet.
fn publish(unfinished: &Path, folder: &Path, release: &str) -> Result<(), GoldenError> {
    use std::os::unix::fs::PermissionsExt;
    // Others read it; a temporary folder is for its maker alone.
    fs::set_permissions(unfinished, fs::Permissions::from_mode(0o755))
        .and_then(|()| fs::rename(unfinished, folder))
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::DirectoryNotEmpty => GoldenFlaw::Exists(release.to_owned()).of(folder),
            _ => GoldenFlaw::System(error).of(folder),
        })
}

/// A golden to be made.
struct Wanted<'a> {
    operator: &'a dyn Operator,
    dtype: DType,
    parameters: &'a Parameters,
    distribution: robocache_core::distribution::Distribution,
}

/// What the recipe says, in the order of the matrix.
fn wanted<'a>(registry: &'a Registry, matrix: &'a Matrix, recipe: &'a Recipe) -> Vec<Wanted<'a>> {
    let mut all = Vec::new();
    for row in &matrix.operators {
        let operator = &**registry.get(&row.name).expect("the matrix was checked against this registry");
        for group in row.groups.iter().filter(|group| recipe.problems.contains(group.name.as_str())) {
            for problem in &group.problems {
                let parameters = &problem.arguments.parameters;
                for &dtype in &problem.dtypes {
                    let distributions = operator.distributions().iter();
                    all.extend(
                        distributions
                            .filter(|&distribution| recipe.distributions.contains(distribution))
                            .map(|&distribution| Wanted { operator, dtype, parameters, distribution }),
                    );
                }
            }
        }
    }
    all
}

impl Wanted<'_> {
    /// The golden and its file.
    fn make(&self, seed: u64) -> Result<(Golden, Vec<u8>), GoldenFlaw> {
        let Self { operator, dtype, parameters, distribution } = *self;
        let problem = operator.problem(dtype, parameters).expect("the matrix was checked");
        let input = Input::Generated(distribution);
        let data_name = Cell::data_name(BACKWARD_COMPAT, operator.name(), dtype, &problem.name(), &input);
        let mut golden = Golden {
            operator: operator.name().to_owned(),
            dtype,
            problem: problem.name(),
            parameters: parameters.clone(),
            distribution,
            seed: Seed::root(seed).derive(&data_name),
            tensors: Vec::new(),
        };
        let inputs = problem.generate(distribution, golden.seed);
        let wrong = |reason| GoldenFlaw::Wrong { golden: golden.name(), reason };
        let outputs = golden_outputs(&*problem, &inputs).map_err(wrong)?;
        let file = encode(&mut golden, &inputs, &outputs)?;
        Ok((golden, file))
    }
}
