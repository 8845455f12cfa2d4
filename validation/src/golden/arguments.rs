//! What is asked of goldens.

use std::path::PathBuf;

/// What is done with goldens.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum GoldenCommand {
    /// Write the goldens of this release, once: what the matrix says in `suites.backward_compat.write`.
    Write {
        /// Where.
        #[command(flatten)]
        arguments: GoldenArguments,
        /// The release; by default the version of this program.
        #[arg(long, value_name = "VERSION")]
        release: Option<String>,
    },
    /// Read every file of every release that the matrix names, and say whether it is what was written.
    Check(GoldenArguments),
    /// Print the goldens of every release that the matrix names.
    List(GoldenArguments),
}

/// Where goldens are.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GoldenArguments {
    /// The matrix, beside which the folder `goldens` lies; by default it is looked for as for any run.
    #[arg(long, value_name = "FILE")]
    pub matrix: Option<PathBuf>,
}
