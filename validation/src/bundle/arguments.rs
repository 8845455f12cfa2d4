//! What is asked of a bundle.

use std::path::PathBuf;

/// Which bundle.
#[derive(Debug, Clone, clap::Args)]
pub struct BundleArguments {
    /// The bundle's file; those of a run lie in its folder, under `bundles`.
    #[arg(value_name = "BUNDLE")]
    pub bundle: PathBuf,
}

/// Which bundle, and what its cell is executed with.
#[derive(Debug, Clone, clap::Args)]
pub struct ReplayArguments {
    /// The bundle.
    #[command(flatten)]
    pub bundle: BundleArguments,
    /// Execute a shared library in the place of this program's own operators: the one that failed, or another one.
    #[arg(long, value_name = "LIBRARY")]
    pub subject: Option<PathBuf>,
    /// Run a fatbin or cubin of kernels in the place of those that this program embeds: the one that failed, or another one.
    #[arg(long, value_name = "FILE", conflicts_with = "subject")]
    pub kernels: Option<PathBuf>,
}

/// How a bundle is made smaller.
#[derive(Debug, Clone, clap::Args)]
pub struct MinimizeArguments {
    /// The bundle, and what its cell is executed with.
    #[command(flatten)]
    pub replay: ReplayArguments,
    /// The folder for the smaller bundle; by default that of the bundle.
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// Seconds after which no further attempt begins.
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub seconds: u64,
    /// The most attempts.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub attempts: u64,
}

/// Where a postmortem goes.
#[derive(Debug, Clone, clap::Args)]
pub struct PostmortemArguments {
    /// The bundle.
    #[command(flatten)]
    pub bundle: BundleArguments,
    /// The folder for the document.
    #[arg(long, value_name = "DIR", default_value = "docs/postmortems")]
    pub into: PathBuf,
}
