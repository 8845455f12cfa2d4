//! From the command line to goldens written, checked or listed.

use std::path::{Path, PathBuf};

use robocache_core::registry::Registry;

use super::{
    arguments::{GoldenArguments, GoldenCommand},
    corpus::Corpus,
    entry::Stored,
    error::{GoldenError, GoldenFlaw},
    file::read,
    write::{Written, write},
};
use crate::{Stop, exit::Exit, locations::Locations, matrix::Matrix, report::print_line};

/// `validation golden`.
pub(crate) fn golden(registry: &Registry, command: &GoldenCommand) -> Result<Exit, Stop> {
    match command {
        GoldenCommand::Write { arguments, release } => {
            let (matrix, goldens, _) = find(registry, arguments)?;
            let release = release.as_deref().unwrap_or(env!("CARGO_PKG_VERSION"));
            let Written { corpus, manifest_hash, bytes } = write(registry, &matrix, &goldens, release)?;
            print_line(corpus.folder.display());
            print_line(format_args!("  {} goldens, {bytes} bytes", corpus.manifest.goldens.len()));
            print_line("  in the matrix, under `suites.backward_compat.releases`:");
            print_line(format_args!("    {release}: {manifest_hash}"));
            Ok(Exit::Passed)
        }
        GoldenCommand::Check(arguments) => check(registry, arguments),
        GoldenCommand::List(arguments) => {
            for corpus in corpora(registry, arguments)?.1 {
                for stored in &corpus.manifest.goldens {
                    print_line(format_args!("{} {}", corpus.manifest.release, stored.golden.name()));
                }
            }
            Ok(Exit::Passed)
        }
    }
}

fn check(registry: &Registry, arguments: &GoldenArguments) -> Result<Exit, Stop> {
    let (path, corpora) = corpora(registry, arguments)?;
    let mut unusable = 0;
    for corpus in corpora {
        let goldens = &corpus.manifest.goldens;
        let flaws = goldens.iter().filter_map(|stored| flaw(&corpus, stored));
        let before = unusable;
        for flaw in flaws {
            unusable += 1;
            print_line(flaw);
        }
        if unusable == before {
            print_line(format_args!("release {}: {} goldens as written", corpus.manifest.release, goldens.len()));
        }
    }
    match unusable {
        0 => Ok(Exit::Passed),
        files => Err(GoldenFlaw::Unusable { files }.of(&path).into()),
    }
}

/// What is wrong with the file of a golden.
fn flaw(corpus: &Corpus, stored: &Stored) -> Option<GoldenError> {
    let path = corpus.path(&stored.golden);
    match read(&path, &stored.blake3) {
        Ok(found) if found.golden == stored.golden => None,
        Ok(_) => Some(GoldenFlaw::Altered("it is another golden than the manifest says".to_owned()).of(&path)),
        Err(error) => Some(error),
    }
}

/// The matrix, the folder of goldens beside it, and the path of the matrix.
fn find(registry: &Registry, arguments: &GoldenArguments) -> Result<(Matrix, PathBuf, PathBuf), Stop> {
    let path = Locations::find_matrix(arguments.matrix.as_deref())?;
    let matrix = Matrix::read(&path, registry)?;
    let goldens = path.parent().unwrap_or(Path::new("")).join("goldens");
    Ok((matrix, goldens, path))
}

/// Every corpus that the matrix names.
fn corpora(registry: &Registry, arguments: &GoldenArguments) -> Result<(PathBuf, Vec<Corpus>), Stop> {
    let (matrix, goldens, path) = find(registry, arguments)?;
    let corpora = matrix.releases().map(|(release, hash)| Corpus::read(&goldens, release, hash));
    Ok((path, corpora.collect::<Result<_, _>>()?))
}
