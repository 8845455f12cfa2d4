//! Which rank this process is, from the variables that its launcher set.
//!
//! Three launchers are known. Where the variables of more than one are set, the innermost speaks: `torchrun` is started by
//! `mpirun` or `srun` and not the other way round, and `mpirun` starts its daemons with `srun`, whose variables then count
//! daemons and not ranks.

use std::{env, fmt};

use serde::{Deserialize, Serialize};

/// Where rendezvous ports that nobody named begin: above those of services, below those that Linux hands out itself (32768).
const FIRST_PORT: u16 = 15_000;
/// How many ports there are from which to derive one.
const PORTS: u16 = 16_384;

/// The port at which rank 0 listens, whatever the launcher: it goes before all others.
pub const RENDEZVOUS_PORT: &str = "ROBOCACHE_RENDEZVOUS_PORT";

/// Variables of a launcher that say which rank a process is.
///
/// Who starts a rank of its own inside of a launched process takes these out of its environment, and then sets its own.
pub const RANK_VARIABLES: [&str; 20] = [
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "GROUP_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "TORCHELASTIC_RUN_ID",
    "TORCHELASTIC_USE_AGENT_STORE",
    RENDEZVOUS_PORT,
    "OMPI_COMM_WORLD_RANK",
    "OMPI_COMM_WORLD_SIZE",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "SLURM_PROCID",
    "SLURM_NTASKS",
    "SLURM_STEP_NUM_TASKS",
    "SLURM_LOCALID",
    "SLURM_STEP_ID",
    "SLURM_STEP_NODELIST",
];

/// What starts ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Launcher {
    /// PyTorch's `torchrun`, or anyone who sets its variables.
    Torchrun,
    /// Slurm's `srun`.
    Slurm,
    /// Open MPI's `mpirun`.
    OpenMpi,
}

/// Where rank 0 listens for the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// A host name or an address.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

/// The place of this process among the ranks that its launcher started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankEnvironment {
    /// Who started it.
    pub launcher: Launcher,
    /// From 0 to `world - 1`.
    pub rank: usize,
    /// How many ranks there are on all machines.
    pub world: usize,
    /// The place among the ranks of this machine, from 0: the GPU that it uses.
    pub local_rank: usize,
    /// How many ranks there are on this machine, if the launcher says so.
    pub local_world: Option<usize>,
    /// Where ranks meet, if it can be known. [`RankEnvironment::rendezvous`] says what is missing.
    pub master: Option<Master>,
}

/// Variables that do not say which rank this is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// No launcher started this process.
    #[error(
        "no launcher's variables are set: start ranks with torchrun (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT), \
         srun (SLURM_PROCID, SLURM_NTASKS) or mpirun (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"
    )]
    NoLauncher,
    /// A part of the variables is there.
    #[error("{variable} is not set, but a rank of {launcher} needs it; of that family there is {}", listed(.found))]
    Missing {
        /// Whose rank it would be.
        launcher: Launcher,
        /// What is missing.
        variable: &'static str,
        /// Those of the same launcher that are set.
        found: Vec<&'static str>,
    },
    /// Something else stands where a number must.
    #[error("{variable} is `{value}`, but must be {rule}")]
    NotANumber {
        /// Which variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// A rank that is not among the ranks.
    #[error("{variable} is {rank}, but must be less than {world_variable}, which is {world}")]
    OutOfRange {
        /// The variable with the rank.
        variable: &'static str,
        /// Its value.
        rank: usize,
        /// The variable with the number of ranks.
        world_variable: &'static str,
        /// Its value.
        world: usize,
    },
    /// Two launchers that tell different things, neither of which started the other.
    #[error(
        "{} says rank {} of {}, but {} says rank {} of {}: unset the variables of the one that did not start this process",
        .one.launcher, .one.rank, .one.world, .other.launcher, .other.rank, .other.world
    )]
    Contradiction {
        /// What one says.
        one: Claim,
        /// What the other says.
        other: Claim,
    },
    /// The script of a Slurm job: it is no rank, although Slurm sets SLURM_PROCID to 0 for it.
    #[error(
        "this is the script of a Slurm job and none of its ranks (SLURM_PROCID is set, SLURM_STEP_ID is not): start the ranks \
         with srun"
    )]
    BatchScript,
    /// Nothing says where rank 0 is.
    #[error("{launcher} does not say on which host rank 0 of {world} is: set MASTER_ADDR to it for all ranks")]
    NoMasterHost {
        /// The launcher.
        launcher: Launcher,
        /// The number of ranks.
        world: usize,
    },
    /// Nothing says at which port rank 0 listens.
    #[error("{launcher} does not say at which port rank 0 listens: set {RENDEZVOUS_PORT} to a free one for all ranks")]
    NoMasterPort {
        /// The launcher.
        launcher: Launcher,
    },
}

/// What one launcher says about this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which launcher.
    pub launcher: Launcher,
    /// The rank.
    pub rank: usize,
    /// The number of ranks.
    pub world: usize,
}

/// The names of one launcher's variables.
struct Family {
    launcher: Launcher,
    rank: &'static str,
    world: &'static str,
    local_rank: &'static str,
    local_world: &'static str,
}

const TORCHRUN: Family = Family {
    launcher: Launcher::Torchrun,
    rank: "RANK",
    world: "WORLD_SIZE",
    local_rank: "LOCAL_RANK",
    local_world: "LOCAL_WORLD_SIZE",
};

const OPEN_MPI: Family = Family {
    launcher: Launcher::OpenMpi,
    rank: "OMPI_COMM_WORLD_RANK",
    world: "OMPI_COMM_WORLD_SIZE",
    local_rank: "OMPI_COMM_WORLD_LOCAL_RANK",
    local_world: "OMPI_COMM_WORLD_LOCAL_SIZE",
};

/// Slurm says how many ranks a machine has only as a list for all machines, in a notation of its own.
const SLURM: Family = Family {
    launcher: Launcher::Slurm,
    rank: "SLURM_PROCID",
    world: "SLURM_NTASKS",
    local_rank: "SLURM_LOCALID",
    local_world: "SLURM_NTASKS_PER_NODE",
};

impl RankEnvironment {
    /// The place of this very process.
    pub fn of_this_process() -> Result<Self, EnvironmentError> {
        Self::read(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The place of a process with these variables. Empty ones count as not set.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let variables = Variables(&variable);
        let torchrun = variables.claim(&TORCHRUN)?;
        let open_mpi = variables.claim(&OPEN_MPI)?;
        let slurm = if variables.has("SLURM_STEP_ID") { variables.claim(&SLURM)? } else { None };
        match (torchrun, open_mpi, slurm) {
            (Some(claim), Some(other), _) if !variables.is_torchrun_inside(claim, other)? => {
                Err(EnvironmentError::Contradiction { one: claim, other })
            }
            (Some(claim), _, _) => variables.place(&TORCHRUN, claim),
            (None, Some(claim), _) => variables.place(&OPEN_MPI, claim),
            (None, None, Some(claim)) => variables.place(&SLURM, claim),
            (None, None, None) => Err(variables.why_none()),
        }
    }

    /// Where ranks meet, or what must be set so that they can.
    pub fn rendezvous(&self) -> Result<&Master, EnvironmentError> {
        let Self { launcher, world, .. } = *self;
        self.master.as_ref().ok_or(EnvironmentError::NoMasterHost { launcher, world })
    }
}

/// The environment of a process.
struct Variables<'a, F>(&'a F);

impl<F: Fn(&str) -> Option<String>> Variables<'_, F> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn number(&self, name: &'static str) -> Result<Option<usize>, EnvironmentError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let rule = "a whole number";
        value.parse().map(Some).map_err(|_| EnvironmentError::NotANumber { variable: name, value, rule })
    }

    fn port(&self, name: &'static str) -> Result<Option<u16>, EnvironmentError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.parse() {
            Ok(port @ 1..) => Ok(Some(port)),
            Ok(0) | Err(_) => {
                Err(EnvironmentError::NotANumber { variable: name, value, rule: "a port from 1 to 65535" })
            }
        }
    }

    fn needed(&self, family: &Family, name: &'static str) -> Result<usize, EnvironmentError> {
        self.number(name)?.ok_or_else(|| self.missing(family, name))
    }

    fn missing(&self, family: &Family, variable: &'static str) -> EnvironmentError {
        let found = family.names().into_iter().filter(|name| self.has(name)).collect();
        EnvironmentError::Missing { launcher: family.launcher, variable, found }
    }

    /// Rank and world, if the variable with the rank is set.
    fn claim(&self, family: &Family) -> Result<Option<Claim>, EnvironmentError> {
        let Some(rank) = self.number(family.rank)? else { return Ok(None) };
        // SLURM_NTASKS may be the job's where a step has fewer ranks than its job.
        let is_step = family.launcher == Launcher::Slurm && self.has("SLURM_STEP_NUM_TASKS");
        let world_variable = if is_step { "SLURM_STEP_NUM_TASKS" } else { family.world };
        let world = self.needed(family, world_variable)?;
        in_range((family.rank, rank), (world_variable, world))?;
        Ok(Some(Claim { launcher: family.launcher, rank, world }))
    }

    /// Whether both say the same, or each rank of Open MPI is an agent of torchrun, which starts ranks of its own.
    fn is_torchrun_inside(&self, torchrun: Claim, outer: Claim) -> Result<bool, EnvironmentError> {
        let is_agent = self.has("TORCHELASTIC_RUN_ID") && self.number("GROUP_WORLD_SIZE")? == Some(outer.world);
        Ok(is_agent || (torchrun.rank, torchrun.world) == (outer.rank, outer.world))
    }

    fn place(&self, family: &Family, claim: Claim) -> Result<RankEnvironment, EnvironmentError> {
        let Claim { launcher, rank, world } = claim;
        let local_rank = self.needed(family, family.local_rank)?;
        let local_world = match launcher {
            Launcher::Torchrun | Launcher::OpenMpi => self.number(family.local_world)?,
            // What is asked for in a job is not what each machine of a step got.
            Launcher::Slurm => None,
        };
        match local_world {
            Some(local_world) => in_range((family.local_rank, local_rank), (family.local_world, local_world))?,
            None => in_range((family.local_rank, local_rank), (family.world, world))?,
        }
        let is_one_machine = local_world == Some(world) || world == 1;
        let host = self.host(launcher, is_one_machine);
        let port = self.rendezvous_port(launcher)?;
        let master = match (host, port) {
            (Some(host), Some(port)) => Some(Master { host, port }),
            // Torchrun always sets both, so one without the other is a mistake to be told at once.
            (None, _) if launcher == Launcher::Torchrun && world > 1 => return Err(self.missing(family, "MASTER_ADDR")),
            (_, None) if launcher == Launcher::Torchrun && world > 1 => return Err(self.missing(family, "MASTER_PORT")),
            (Some(_), None) if world > 1 => return Err(EnvironmentError::NoMasterPort { launcher }),
            (Some(_) | None, Some(_) | None) => None,
        };
        Ok(RankEnvironment { launcher, rank, world, local_rank, local_world, master })
    }

    fn host(&self, launcher: Launcher, is_one_machine: bool) -> Option<String> {
        let named = self.get("MASTER_ADDR");
        let known = match launcher {
            Launcher::Torchrun => None,
            Launcher::OpenMpi => is_one_machine.then(|| "127.0.0.1".to_owned()),
            // Rank 0 is on the first host of its step. The host of srun may be another, such as a login node.
            Launcher::Slurm => ["SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"]
                .iter()
                .find_map(|name| first_host(&self.get(name)?))
                .or_else(|| self.get("SLURM_LAUNCH_NODE_IPADDR")),
        };
        named.or(known)
    }

    /// The port that is named, or one that all ranks derive from what they were started as.
    fn rendezvous_port(&self, launcher: Launcher) -> Result<Option<u16>, EnvironmentError> {
        if let Some(port) = self.port(RENDEZVOUS_PORT)? {
            return Ok(Some(port));
        }
        if let Some(port) = self.port("MASTER_PORT")? {
            // Torchrun's agent itself listens at its port, for a store of its own.
            let is_taken = launcher == Launcher::Torchrun
                && self.get("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value.eq_ignore_ascii_case("true"));
            return Ok(Some(if is_taken { port.checked_add(1).unwrap_or(port - 1) } else { port }));
        }
        Ok(match launcher {
            Launcher::Torchrun => None,
            Launcher::OpenMpi => ["PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"]
                .iter()
                .find_map(|name| self.get(name))
                .map(|job| derived(&job)),
            Launcher::Slurm => {
                let step = self.get("SLURM_STEP_ID").unwrap_or_default();
                self.get("SLURM_JOB_ID").map(|job| derived(&format!("{job}.{step}")))
            }
        })
    }

    fn why_none(&self) -> EnvironmentError {
        let begun = [&TORCHRUN, &OPEN_MPI].into_iter().find(|family| family.names().iter().any(|name| self.has(name)));
        match begun {
            Some(family) => self.missing(family, family.rank),
            None if self.has("SLURM_STEP_ID") => self.missing(&SLURM, SLURM.rank),
            None if self.has("SLURM_PROCID") => EnvironmentError::BatchScript,
            None => EnvironmentError::NoLauncher,
        }
    }
}

impl Family {
    fn names(&self) -> Vec<&'static str> {
        vec![self.rank, self.world, self.local_rank, self.local_world]
    }
}

impl fmt::Display for Launcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Torchrun => "torchrun (RANK)",
            Self::Slurm => "Slurm (SLURM_PROCID)",
            Self::OpenMpi => "Open MPI (OMPI_COMM_WORLD_RANK)",
        })
    }
}

fn in_range(
    (variable, rank): (&'static str, usize),
    (world_variable, world): (&'static str, usize),
) -> Result<(), EnvironmentError> {
    if rank < world { Ok(()) } else { Err(EnvironmentError::OutOfRange { variable, rank, world_variable, world }) }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// A port for a job: the same for all who know its name, and likely another for another job on the same machines.
fn derived(job: &str) -> u16 {
    let [low, high, ..] = *blake3::hash(job.as_bytes()).as_bytes();
    FIRST_PORT + u16::from_le_bytes([low, high]) % PORTS
}

/// The first of Slurm's list of hosts, such as `node[007-009,12],login`.
///
/// Every bracket stands for one of the numbers or ranges in it, zeros in front included; a name may have several.
fn first_host(list: &str) -> Option<String> {
    let mut host = String::new();
    let mut rest = list;
    loop {
        let end = rest.find(['[', ',']).unwrap_or(rest.len());
        host.push_str(&rest[..end]);
        match rest[end..].strip_prefix('[') {
            None => break,
            Some(numbers) => {
                let (numbers, behind) = numbers.split_once(']')?;
                host.push_str(numbers.split([',', '-']).next()?);
                rest = behind;
            }
        }
    }
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What `torchrun --nnodes 2 --nproc-per-node 2` sets for the last rank.
    const BY_TORCHRUN: &str = "LOCAL_RANK=1 RANK=3 GROUP_RANK=1 ROLE_RANK=3 ROLE_NAME=default LOCAL_WORLD_SIZE=2 WORLD_SIZE=4 \
         GROUP_WORLD_SIZE=2 ROLE_WORLD_SIZE=4 MASTER_ADDR=node1 MASTER_PORT=29500 TORCHELASTIC_RESTART_COUNT=0 \
         TORCHELASTIC_MAX_RESTARTS=0 TORCHELASTIC_RUN_ID=7 TORCHELASTIC_USE_AGENT_STORE=False OMP_NUM_THREADS=1";

    /// What `srun -N 2 -n 3` in a job of Slurm 22.05 sets for the last rank.
    const BY_SLURM: &str = "SLURM_PROCID=2 SLURM_LOCALID=0 SLURM_NODEID=1 SLURM_NTASKS=3 SLURM_NPROCS=3 SLURM_NNODES=2 \
         SLURM_JOB_ID=4711 SLURM_JOBID=4711 SLURM_STEP_ID=0 SLURM_STEPID=0 SLURM_STEP_NUM_TASKS=3 SLURM_STEP_NUM_NODES=2 \
         SLURM_STEP_TASKS_PER_NODE=2,1 SLURM_TASKS_PER_NODE=2,1 SLURM_STEP_NODELIST=gpu[008-009] \
         SLURM_JOB_NODELIST=gpu[008-009] SLURM_NODELIST=gpu[008-009] SLURM_LAUNCH_NODE_IPADDR=10.0.0.1 \
         SLURM_SRUN_COMM_HOST=10.0.0.1 SLURM_SRUN_COMM_PORT=36215 SLURM_STEP_LAUNCHER_PORT=36215 SLURM_GTIDS=2 \
         SLURMD_NODENAME=gpu009";

    /// What `mpirun -n 3` of Open MPI 4.1 sets for the second rank.
    const BY_OPEN_MPI: &str = "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=3 OMPI_COMM_WORLD_LOCAL_RANK=1 \
         OMPI_COMM_WORLD_LOCAL_SIZE=3 OMPI_COMM_WORLD_NODE_RANK=1 OMPI_UNIVERSE_SIZE=3 OMPI_APP_CTX_NUM_PROCS=3 \
         OMPI_NUM_APP_CTX=1 OMPI_FIRST_RANKS=0 OMPI_MCA_ess_base_jobid=1755447297 OMPI_MCA_ess_base_vpid=1 \
         PMIX_NAMESPACE=1755447297 PMIX_RANK=1 PMIX_HOSTNAME=gpu001";

    /// Reads `NAME=value` pairs; those that come later win.
    fn read(texts: &[&str]) -> Result<RankEnvironment, EnvironmentError> {
        let pairs = texts.iter().flat_map(|text| text.split_whitespace()).filter_map(|pair| pair.split_once('='));
        let variables: BTreeMap<&str, &str> = pairs.collect();
        RankEnvironment::read(|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    fn message(texts: &[&str]) -> String {
        read(texts).unwrap_err().to_string()
    }

    fn master(texts: &[&str]) -> (String, u16) {
        let master = read(texts).unwrap().master.unwrap();
        (master.host, master.port)
    }

    #[test]
    fn torchrun_says_it_all() {
        let master = Some(Master { host: "node1".to_owned(), port: 29500 });
        let launcher = Launcher::Torchrun;
        let place = RankEnvironment { launcher, rank: 3, world: 4, local_rank: 1, local_world: Some(2), master };
        assert_eq!(read(&[BY_TORCHRUN]), Ok(place));
    }

    #[test]
    fn the_port_of_torchruns_own_store_is_left_alone() {
        let taken = "TORCHELASTIC_USE_AGENT_STORE=True";
        assert_eq!(master(&[BY_TORCHRUN, taken]).1, 29501);
        assert_eq!(master(&[BY_TORCHRUN, taken, "MASTER_PORT=65535"]).1, 65534);
        assert_eq!(master(&[BY_TORCHRUN, taken, "ROBOCACHE_RENDEZVOUS_PORT=4242"]).1, 4242);
    }

    #[test]
    fn slurm_meets_on_the_first_host_of_the_step_and_not_where_srun_runs() {
        let found = read(&[BY_SLURM]).unwrap();
        assert_eq!((found.launcher, found.rank, found.world), (Launcher::Slurm, 2, 3));
        assert_eq!((found.local_rank, found.local_world), (0, None));
        let (host, port) = master(&[BY_SLURM]);
        assert_eq!(host, "gpu008");
        assert!((FIRST_PORT..FIRST_PORT + PORTS).contains(&port));
        assert_eq!(master(&[BY_SLURM, "SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0"]), (host, port));
        assert_ne!(master(&[BY_SLURM, "SLURM_STEP_ID=1"]).1, port);
        assert_ne!(master(&[BY_SLURM, "SLURM_JOB_ID=4712"]).1, port);
        assert_eq!(master(&[BY_SLURM, "MASTER_ADDR=10.1.2.3 MASTER_PORT=29500"]), ("10.1.2.3".to_owned(), 29500));
        let no_lists = "SLURM_STEP_NODELIST= SLURM_JOB_NODELIST=";
        assert_eq!(master(&[BY_SLURM, no_lists]).0, "10.0.0.1");
    }

    #[test]
    fn a_step_may_be_smaller_than_its_job() {
        assert_eq!(read(&[BY_SLURM, "SLURM_NTASKS=8"]).unwrap().world, 3);
        assert_eq!(read(&[BY_SLURM, "SLURM_STEP_NUM_TASKS="]).unwrap().world, 3);
    }

    #[test]
    fn the_script_of_a_job_is_no_rank() {
        assert_eq!(
            read(&["SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NTASKS=4 SLURM_JOB_ID=1"]),
            Err(EnvironmentError::BatchScript)
        );
        assert!(message(&["SLURM_PROCID=0 SLURM_NTASKS=4"]).contains("srun"));
    }

    #[test]
    fn open_mpi_meets_here_where_all_ranks_are_here_and_else_must_be_told_where() {
        let found = read(&[BY_OPEN_MPI]).unwrap();
        assert_eq!((found.launcher, found.rank, found.world), (Launcher::OpenMpi, 1, 3));
        assert_eq!((found.local_rank, found.local_world), (1, Some(3)));
        assert_eq!(found.rendezvous().unwrap().host, "127.0.0.1");
        let two_machines = "OMPI_COMM_WORLD_LOCAL_SIZE=2";
        let lost = read(&[BY_OPEN_MPI, two_machines]).unwrap().rendezvous().unwrap_err().to_string();
        assert!(lost.contains("MASTER_ADDR") && lost.contains("Open MPI"), "{lost}");
        assert_eq!(master(&[BY_OPEN_MPI, two_machines, "MASTER_ADDR=gpu001"]).0, "gpu001");
        let nameless = "PMIX_NAMESPACE= OMPI_MCA_ess_base_jobid=";
        assert!(message(&[BY_OPEN_MPI, nameless]).contains(RENDEZVOUS_PORT));
        assert_eq!(master(&[BY_OPEN_MPI, nameless, "ROBOCACHE_RENDEZVOUS_PORT=9"]).1, 9);
    }

    #[test]
    fn the_innermost_launcher_speaks() {
        assert_eq!(read(&[BY_SLURM, BY_TORCHRUN]).unwrap().launcher, Launcher::Torchrun);
        // The daemons of mpirun, and not the ranks, are what srun started.
        let daemons = "SLURM_PROCID=0 SLURM_NTASKS=1 SLURM_STEP_NUM_TASKS=1";
        assert_eq!(read(&[BY_SLURM, daemons, BY_OPEN_MPI]).unwrap().launcher, Launcher::OpenMpi);
        // Two agents of torchrun, each started by mpirun, have four ranks.
        let agents = "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2";
        assert_eq!(read(&[BY_OPEN_MPI, agents, BY_TORCHRUN]).unwrap().rank, 3);
        // Scripts often hand on what mpirun says under torchrun's names.
        let handed_on = "RANK=1 WORLD_SIZE=3 LOCAL_RANK=1 MASTER_ADDR=a MASTER_PORT=1";
        assert_eq!(read(&[BY_OPEN_MPI, handed_on]).unwrap().launcher, Launcher::Torchrun);
        // What only helps to meet makes no torchrun.
        let helps = "WORLD_SIZE=3 MASTER_ADDR=a MASTER_PORT=1";
        assert_eq!(read(&[BY_SLURM, helps]).unwrap().launcher, Launcher::Slurm);
    }

    #[test]
    fn a_contradiction_names_both() {
        let message = message(&[BY_OPEN_MPI, "OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=4 RANK=1 WORLD_SIZE=2"]);
        assert!(
            message
                .starts_with("torchrun (RANK) says rank 1 of 2, but Open MPI (OMPI_COMM_WORLD_RANK) says rank 0 of 4")
        );
    }

    #[test]
    fn what_is_missing_is_named_beside_what_was_found() {
        assert_eq!(
            message(&["RANK=0 LOCAL_RANK=0"]),
            "WORLD_SIZE is not set, but a rank of torchrun (RANK) needs it; of that family there is RANK, LOCAL_RANK"
        );
        assert!(message(&["WORLD_SIZE=2"]).starts_with("RANK is not set"));
        assert!(message(&["RANK=0 WORLD_SIZE=2"]).starts_with("LOCAL_RANK is not set"));
        assert!(message(&[BY_TORCHRUN, "MASTER_ADDR="]).starts_with("MASTER_ADDR is not set"));
        assert!(message(&[BY_TORCHRUN, "MASTER_PORT="]).starts_with("MASTER_PORT is not set"));
        assert!(message(&["OMPI_COMM_WORLD_SIZE=2"]).starts_with("OMPI_COMM_WORLD_RANK is not set"));
        assert!(message(&[BY_SLURM, "SLURM_PROCID="]).starts_with("SLURM_PROCID is not set"));
        assert!(message(&[BY_SLURM, "SLURM_LOCALID="]).starts_with("SLURM_LOCALID is not set"));
        assert_eq!(read(&[]), Err(EnvironmentError::NoLauncher));
        assert_eq!(read(&["MASTER_ADDR=a MASTER_PORT=1"]), Err(EnvironmentError::NoLauncher));
    }

    #[test]
    fn one_rank_has_nobody_to_meet() {
        assert_eq!(read(&["RANK=0 WORLD_SIZE=1 LOCAL_RANK=0"]).unwrap().master, None);
    }

    #[test]
    fn numbers_are_numbers_and_ranks_in_range() {
        assert_eq!(message(&[BY_TORCHRUN, "RANK=one"]), "RANK is `one`, but must be a whole number");
        assert!(message(&[BY_TORCHRUN, "WORLD_SIZE=-4"]).starts_with("WORLD_SIZE is `-4`"));
        assert!(message(&[BY_TORCHRUN, "MASTER_PORT=70000"]).contains("a port from 1 to 65535"));
        assert!(message(&[BY_TORCHRUN, "MASTER_PORT=0"]).contains("a port from 1 to 65535"));
        assert_eq!(message(&[BY_TORCHRUN, "RANK=4"]), "RANK is 4, but must be less than WORLD_SIZE, which is 4");
        assert_eq!(message(&["RANK=0 WORLD_SIZE=0"]), "RANK is 0, but must be less than WORLD_SIZE, which is 0");
        assert!(message(&[BY_TORCHRUN, "LOCAL_RANK=2"]).starts_with("LOCAL_RANK is 2"));
        assert!(message(&[BY_SLURM, "SLURM_LOCALID=3"]).starts_with("SLURM_LOCALID is 3"));
    }

    #[test]
    fn the_first_host_of_every_notation() {
        let first = |list| first_host(list).unwrap();
        assert_eq!(first("localhost"), "localhost");
        assert_eq!(first("b,a"), "b");
        assert_eq!(first("gpu[7,9-11],login"), "gpu7");
        assert_eq!(first("rack-2-n[003-010]-ib,x[1-2]"), "rack-2-n003-ib");
        assert_eq!(first("r[1-2]n[05,09]"), "r1n05");
        assert_eq!(first_host(""), None);
        assert_eq!(first_host("broken[1-2"), None);
    }
}
