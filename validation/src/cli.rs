//! The command line: parsed to plain values that do nothing.

use std::path::PathBuf;

use libtest_mimic::FormatSetting;
use robocache_core::timing::Series;

use crate::{
    bundle::{MinimizeArguments, PostmortemArguments, ReplayArguments},
    cell::Device,
    golden::GoldenCommand,
    shard::Shard,
};

/// What the program is asked to do.
#[derive(Debug, clap::Parser)]
#[command(
    name = "validation",
    version,
    about = "Takes GPU operators through determinism, accuracy and more, as matrix.yaml says",
    long_about = "Takes GPU operators through the suites that matrix.yaml names, on the CPU and on every NVIDIA GPU of \
                  this machine, and leaves evidence that a stranger can check and replay.\n\n\
                  Exit status: 0 all passed, 1 something failed, 2 unusable input, 3 INCOMPLETE (the profile requires \
                  something that this machine lacks, or no selected cell can run here), 4 the harness failed, \
                  5 AMBIGUOUS (a comparison with another program neither found nor excluded a regression), \
                  6 OTHER BITS (a replayed bundle still fails, but not as it did), 130 interrupted.",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Another task than running cells.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to run.
    #[command(flatten)]
    pub run: RunArguments,
}

/// Tasks other than running cells.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Time operators beside a copy of as many bytes, as `benchmarks` in the matrix says.
    ///
    /// Each time stands beside that of a copy that moves as many bytes, taken between the calls. Results are evidence
    /// like those of any other run, with a table, a picture (performance.svg) and ratios instead of absolute limits.
    Bench(Box<BenchArguments>),
    /// Replay a bundle: execute a cell that failed again, on the very inputs on which it failed.
    ///
    /// Neither the matrix nor the data is needed; of a shared library, the library is. Exit status: 0 it passes now, 1 it fails with the same bits, 6 it still
    /// fails, but with other bits, 2 the bundle is unusable, 3 INCOMPLETE (this machine lacks the device), 4 the harness
    /// failed.
    Repro(ReplayArguments),
    /// Make a bundle as small as it can be: the smallest problem and rows that still fail in the same way.
    ///
    /// The result is a new bundle of at most 1 MiB. Exit status 0 says that it was written; 1, 6 and 0 with the words
    /// "not minimised" that the bundle does not fail here as it did.
    Minimize(MinimizeArguments),
    /// Sum up the runs of all shards of one selection, wherever they ran, as one run would have ended.
    ///
    /// Exit status: as of one run of all cells; 3 INCOMPLETE also where a shard, or the verdicts of some of its cells, are
    /// missing; 2 where the runs do not belong together.
    Collect(CollectArguments),
    /// Draft a postmortem from a bundle: facts are filled in, headings left for people.
    Postmortem(PostmortemArguments),
    /// Write the goldens of a release, or look at those of earlier ones.
    #[command(subcommand)]
    Golden(GoldenCommand),
    /// Print the JSON Schema of the matrix, for editors and checkers.
    Schema,
    /// Print what this machine has, as planning sees it.
    Machine,
    /// Load a shared library in a process of its own, and print what it says of itself.
    Subject {
        /// The library.
        library: PathBuf,
    },
    /// Build deliberately broken implementations, and see that the suites find each one.
    ///
    /// Each mutant is compiled and taken through the suites; so are controls, in which nothing is wrong. For the CPU that is
    /// a library under test, made by the C compiler (the variable CC, or cc); with `--device cuda` an image of this program's
    /// kernels, made by nvcc for the first GPU. docs/mutants.md says what that proves.
    ///
    /// Exit status: 0 every mutant was found by the suite that must find it, in every repeat, and no control raised an
    /// alarm; 1 otherwise; 2 a patch does not apply or compile, or nothing matches; 3 there is no compiler or no GPU.
    Mutants(MutantsArguments),
    /// Execute cells for a supervisor at the other end of standard input.
    #[command(hide = true)]
    Worker(WorkerArguments),
    /// Be one of several ranks, for a leader that waits for them: a cell of the suite multi_gpu, on this machine or another.
    ///
    /// Which rank it is and where its leader listens is read from the environment, as torchrun, srun and mpirun set it, and
    /// the secret that both must know from ROBOCACHE_RENDEZVOUS_SECRET.
    #[command(hide = true)]
    Rank(RankArguments),
    /// Look for GPUs and libraries, or at a subject, and print one line of JSON.
    #[command(hide = true)]
    Probe {
        /// Load this library and print what it says of itself instead.
        #[arg(long, value_name = "LIBRARY")]
        subject: Option<PathBuf>,
        /// Load this file of kernels on every GPU in the place of those of this program.
        #[arg(long, value_name = "FILE", conflicts_with = "subject")]
        kernels: Option<PathBuf>,
    },
    /// Measure for a gate at the other end of standard input.
    #[command(hide = true)]
    Measure(MeasureArguments),
}

/// Which runs are summed up as one.
#[derive(Debug, Clone, clap::Args)]
pub struct CollectArguments {
    /// The runs: their folders or their names.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Write JUnit XML with the cells of all runs into this file.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write Markdown with the tables and failures of all runs into this file.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// The folder of evidence in which runs that are given by name are looked for.
    #[arg(long, value_name = "DIR", env = "ROBOCACHE_OUTPUT")]
    pub output: Option<PathBuf>,
}

/// What a worker runs.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct WorkerArguments {
    /// The library in the place of this program's own implementations.
    #[arg(long, value_name = "LIBRARY")]
    pub subject: Option<PathBuf>,
    /// BLAKE3 of the file that it must be, in hexadecimal.
    #[arg(long, value_name = "HASH", requires = "subject")]
    pub subject_hash: Option<String>,
    /// The file in the place of this program's own CUDA kernels.
    #[arg(long, value_name = "FILE", requires = "kernels_hash")]
    pub kernels: Option<PathBuf>,
    /// BLAKE3 of the file that it must be, in hexadecimal.
    #[arg(long, value_name = "HASH", requires = "kernels")]
    pub kernels_hash: Option<String>,
    /// Wait for ranks on this device that a launcher has started, instead of starting some.
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub launched: Option<Device>,
}

impl WorkerArguments {
    /// BLAKE3 of what takes the place of operators or kernels of the program, in hexadecimal; `None` if nothing does.
    pub(crate) fn replacement(&self) -> Option<&str> {
        self.subject_hash.as_deref().or(self.kernels_hash.as_deref())
    }
}

/// What a rank runs on, and what it runs. Which rank it is, and where its leader listens, say the variables of its launcher.
#[derive(Debug, Clone, clap::Args)]
pub struct RankArguments {
    /// What it runs on: cpu or cuda.
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub device: Device,
    /// What a worker of the same run is given.
    #[command(flatten)]
    pub worker: WorkerArguments,
}

/// Which mutants are run, and how often.
#[derive(Debug, Clone, clap::Args)]
pub struct MutantsArguments {
    /// Only mutants and controls whose name or kind contains this, and the sources as they are.
    #[arg(value_name = "FILTER")]
    pub filter: Option<String>,
    /// Whose sources are changed: cpu (examples/c_subject) or cuda (kernels).
    #[arg(long, value_name = "DEVICE", default_value = "cpu", value_parser = device)]
    pub device: Device,
    /// How often each mutant is run, each time with other data.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeats: u32,
    /// How often each control is run, each time with other data.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub control_repeats: u32,
    /// Print the names, and run nothing.
    #[arg(long)]
    pub list: bool,
    /// Take patches from a folder that is laid out as fault_injection/ is, in the place of those in this program.
    #[arg(long, value_name = "DIR")]
    pub patches: Option<PathBuf>,
    /// The folder under which evidence is written; by default `bench_artifacts` beside the matrix.
    #[arg(long, value_name = "DIR", env = "ROBOCACHE_OUTPUT")]
    pub output: Option<PathBuf>,
    /// How many are compiled and run at a time; by default as many as there are processors.
    #[arg(long, value_name = "N")]
    pub test_threads: Option<usize>,
}

fn device(word: &str) -> Result<Device, String> {
    match word {
        "cpu" => Ok(Device::Cpu),
        "cuda" => Ok(Device::Cuda),
        other => Err(format!("`{other}` is neither cpu nor cuda")),
    }
}

/// How a process measures.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct MeasureArguments {
    /// Lengthen every timed batch by this fraction of its time.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0, value_parser = fraction)]
    pub slow_down: f64,
}

/// What to compare this program with.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GateArguments {
    /// Compare this program with another one, or with a git revision, which is built first, instead of recording times.
    #[arg(long, value_name = "REV|BINARY", conflicts_with_all = ["render", "resume", "shard", "launched", "list", "subject", "kernels"])]
    pub against: Option<String>,
    /// Slow this program down by a fraction, such as 0.03, to see that the comparison notices.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0, value_parser = fraction, requires = "against")]
    pub handicap: f64,
    /// Alarm at slow-downs by more than this fraction, and call a cell well once three times as much is excluded; by
    /// default 0.01. More is decided sooner, and on machines where 1 % cannot be told.
    #[arg(long, value_name = "FRACTION", value_parser = margin, requires = "against")]
    pub margin: Option<f64>,
    /// Compare only this series of calls: cold, hot, stream or graph; may be repeated.
    #[arg(long, value_name = "NAME", requires = "against")]
    pub series: Vec<Series>,
    /// Measure exactly so many rounds, and decide once.
    #[arg(long, value_name = "N", hide = true, requires = "against", value_parser = clap::value_parser!(u32).range(2..))]
    pub rounds: Option<u32>,
}

/// A slow-down, such as `0.03`.
fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(fraction) if (0.0..=100.0).contains(&fraction) => Ok(fraction),
        Ok(_) | Err(_) => Err("a fraction is a number from 0 to 100, such as 0.03 for 3 %".to_owned()),
    }
}

/// A slow-down that may be told from none.
fn margin(text: &str) -> Result<f64, String> {
    fraction(text).and_then(|margin| if margin > 0.0 { Ok(margin) } else { Err("a margin is above 0".to_owned()) })
}

/// What is timed, or rendered of what was.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArguments {
    /// Run nothing, and write docs/perf_numbers.md beside the matrix from these runs: their folders or their names.
    #[arg(long, value_name = "RUN", num_args = 1.., conflicts_with_all = ["profile", "resume", "shard", "launched", "list", "exact", "skip", "subject", "kernels"])]
    pub render: Vec<String>,
    /// What to compare this program with.
    #[command(flatten)]
    pub gate: GateArguments,
    /// The cells, as in any other run; the profile is one of `benchmarks`, and `smoke` by default.
    #[command(flatten)]
    pub run: RunArguments,
}

/// Which cells are run, on what, and where the evidence goes.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArguments {
    /// The matrix; by default `matrix.yaml` here, in a parent folder, or beside this program.
    #[arg(long, value_name = "FILE")]
    pub matrix: Option<PathBuf>,
    /// The profile of the matrix to run.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Validate a shared library in the place of this program's own operators; see docs/subject_abi.md.
    #[arg(long, value_name = "LIBRARY")]
    pub subject: Option<PathBuf>,
    /// Run a fatbin or cubin of changed kernels in the place of those that this program embeds.
    ///
    /// nvcc makes it of kernels/image.cu with the flags of kernels/build.rs. Constants that the kernels share with their
    /// launchers (kernels/src/limits.rs), their names and their parameters must be those of this program.
    #[arg(long, value_name = "FILE", conflicts_with = "subject")]
    pub kernels: Option<PathBuf>,
    /// The folder of recorded inputs; by default `data` beside the matrix.
    #[arg(long, value_name = "DIR", env = "ROBOCACHE_DATA")]
    pub data: Option<PathBuf>,
    /// The folder under which evidence is written; by default `bench_artifacts` beside the matrix.
    #[arg(long, value_name = "DIR", env = "ROBOCACHE_OUTPUT")]
    pub output: Option<PathBuf>,
    /// Finish a run that was killed: its folder, its id, or `latest`.
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "latest")]
    pub resume: Option<String>,
    /// Run only a part of the selected cells, such as 2/3, the second of three: each cell is in exactly one of them.
    ///
    /// Which one follows from its name alone, so any machines can share a profile. `validation collect` sums the runs up.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Be one of the ranks that torchrun, srun or mpirun started on this device, cpu or cuda, and run only cells of so many.
    ///
    /// Start it with the same arguments as every rank. Rank 0 leads and leaves the evidence. All need one secret in
    /// ROBOCACHE_RENDEZVOUS_SECRET; docs/many_machines.md says how they find each other.
    #[arg(long, value_name = "DEVICE", value_parser = device, conflicts_with_all = ["shard", "list"])]
    pub launched: Option<Device>,
    /// The arguments of every Rust test program.
    #[command(flatten)]
    pub selection: libtest_mimic::Arguments,
    /// Further filters: a cell is run if any of them selects it.
    #[arg(value_name = "FILTER")]
    pub further_filters: Vec<String>,
}

/// An option of other Rust test programs that means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option} is not supported: {instead}")]
pub struct UnsupportedOption {
    /// The option as it is written.
    pub option: &'static str,
    /// What to do instead.
    pub instead: &'static str,
}

impl BenchArguments {
    /// Refuses what would otherwise be ignored, besides what [`RunArguments::check`] refuses.
    pub fn check(&self) -> Result<(), UnsupportedOption> {
        if self.run.launched.is_some() {
            return Err(UnsupportedOption { option: "--launched", instead: "ranks are timed by cells of multi_gpu" });
        }
        match self.run.selection.test_threads {
            Some(_) => Err(UnsupportedOption { option: "--test-threads", instead: "timed cells run one at a time" }),
            None => Ok(()),
        }
    }
}

impl RunArguments {
    /// Refuses what would otherwise be ignored. Listing knows every format, as cargo-nextest needs.
    pub fn check(&self) -> Result<(), UnsupportedOption> {
        let evidence = "records.jsonl in the run's folder is the machine-readable output, and junit.xml beside it";
        match (&self.selection.logfile, self.selection.format) {
            (Some(_), _) => Err(UnsupportedOption { option: "--logfile", instead: evidence }),
            (None, Some(FormatSetting::Json)) if !self.selection.list => {
                Err(UnsupportedOption { option: "--format json", instead: evidence })
            }
            (None, Some(FormatSetting::Json | FormatSetting::Pretty | FormatSetting::Terse) | None) => Ok(()),
        }
    }

    /// Whether only failures get a line.
    pub fn is_quiet(&self) -> bool {
        self.selection.quiet || self.selection.format == Some(FormatSetting::Terse)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_cargo_test_and_nextest_pass_is_understood() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().run.selection;
        assert!(parse("validation --list --format terse").list);
        assert!(parse("validation --list --format terse --ignored").ignored);
        let selection = parse("validation accuracy::fuse --exact --nocapture");
        assert_eq!((selection.filter.as_deref(), selection.exact), (Some("accuracy::fuse"), true));
        let run = Cli::try_parse_from(["validation", "fuse", "--quiet", "mean", "max"]).unwrap().run;
        assert_eq!((run.selection.filter.as_deref(), run.further_filters.join(" ")), (Some("fuse"), "mean max".into()));
        assert_eq!(parse("validation --skip cuda --skip f16 --test-threads=3").skip, ["cuda", "f16"]);
    }

    #[test]
    fn no_option_is_ignored_in_silence() {
        let check = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().run.check();
        assert!(check("validation --logfile x").is_err());
        assert!(check("validation --format json").is_err());
        assert!(check("validation --list --format json").is_ok());
        assert!(Cli::try_parse_from(["validation", "-q"]).unwrap().run.is_quiet());
    }

    #[test]
    fn a_benchmark_ignores_no_option_either() {
        let parse = |line: &str| match Cli::try_parse_from(line.split(' ')).map(|cli| cli.command) {
            Ok(Some(Command::Bench(arguments))) => Some(*arguments),
            Ok(_) | Err(_) => None,
        };
        assert!(parse("validation bench --profile full fuse").unwrap().check().is_ok());
        assert!(parse("validation bench --test-threads 2").unwrap().check().is_err());
        assert_eq!(parse("validation bench --render a b --output c").unwrap().render, ["a", "b"]);
        assert!(parse("validation bench --render a --profile full").is_none());
    }

    #[test]
    fn a_filter_may_stand_beside_resume() {
        let cli = Cli::try_parse_from(["validation", "--resume=latest", "fuse"]).unwrap();
        assert_eq!(cli.run.resume.as_deref(), Some("latest"));
        assert_eq!(cli.run.selection.filter.as_deref(), Some("fuse"));
    }
}
