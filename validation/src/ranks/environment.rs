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
mod tests;
