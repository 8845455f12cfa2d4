//! A run of which a launcher started all ranks: rank 0 leads, and is a rank too; the others are ranks only.

use std::{
    ffi::OsString,
    fmt, io,
    net::{IpAddr, ToSocketAddrs},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    Deadlines, LocalRanks, RankError, Secret, World, WorldError,
    environment::{Launcher, Master, RankEnvironment},
};
use crate::{cell::Device, supervisor::THIS_PROGRAM};

/// How long the rank of this process may take to end when its leader has ended.
const FAREWELL: Duration = Duration::from_secs(10);

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(20);

/// The ranks of a run that a launcher started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launched {
    /// Who started them.
    pub launcher: Launcher,
    /// What they run on.
    pub device: Device,
    /// How many there are.
    pub world: usize,
}

/// The part of this process in a run whose ranks were launched.
#[derive(Debug)]
pub(crate) enum Role {
    /// It leads, and its own rank is this process.
    Leader(OwnRank),
    /// It would be a rank and nothing else, but could not become one.
    Rank(io::Error),
}

/// The rank of the leader's process. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct OwnRank(Child);

impl Launched {
    /// Those among which this process is. Whatever ranks need to find each other is checked.
    pub(crate) fn find(device: Device) -> Result<(Self, RankEnvironment), RankError> {
        let place = RankEnvironment::of_this_process()?;
        place.rendezvous()?;
        Secret::of_environment()?;
        Ok((Self { launcher: place.launcher, device, world: place.world }, place))
    }

    /// The arguments with which a worker leads them, behind its others.
    pub(crate) fn worker_arguments(&self) -> [OsString; 2] {
        ["--launched".into(), self.device.to_string().into()]
    }
}

impl fmt::Display for Launched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { launcher, device, world } = self;
        write!(formatter, "--launched {device}, {world} ranks of {launcher}")
    }
}

impl Role {
    /// Becomes a rank, for good, unless this is rank 0: that starts its rank as another process. `arguments` are those of a
    /// worker that say which library or kernels it runs.
    pub(crate) fn take(
        launched: Launched,
        place: &RankEnvironment,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, RankError> {
        let mut command = Command::new(THIS_PROGRAM);
        command.args(["rank", "--device", &launched.device.to_string()]).args(arguments);
        if place.rank > 0 {
            return Ok(Self::Rank(command.exec()));
        }
        let started = command.stdin(Stdio::null()).spawn();
        let started = started.map_err(|source| RankError::System { rank: 0, step: "start its own process", source })?;
        Ok(Self::Leader(OwnRank(started)))
    }
}

impl OwnRank {
    /// Ends it at once: it has no leader.
    pub(crate) fn abandon(mut self) {
        let _ = self.0.kill();
    }
}

impl Drop for OwnRank {
    /// It ends with its leader, which has ended; one that nobody led still waits for somebody.
    fn drop(&mut self) {
        let begin = Instant::now();
        while begin.elapsed() < FAREWELL && matches!(self.0.try_wait(), Ok(None)) {
            thread::sleep(PAUSE);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the ranks of this worker's run must run on, and what instead of the program's own operators or kernels, if a launcher
/// started them.
static AWAITED: OnceLock<(Device, Option<String>)> = OnceLock::new();

/// Whether the ranks of the launcher were gathered: they come once.
static WERE_GATHERED: AtomicBool = AtomicBool::new(false);

/// Has [`gather`] wait for launched ranks instead of starting some. `replacement` is the hash of what takes the place of
/// operators or kernels in this worker.
pub(crate) fn await_launched(device: Device, replacement: Option<String>) {
    // Arguments are parsed once.
    let _ = AWAITED.set((device, replacement));
}

/// Whether launched ranks were gathered, or waited for in vain.
pub(crate) fn were_gathered() -> bool {
    WERE_GATHERED.load(Ordering::Relaxed)
}

/// The ranks of a cell: those that were launched with this program, or new ones that run where this worker does.
pub(crate) fn gather(
    device: Device,
    world: usize,
    gpus: Vec<String>,
    deadlines: Deadlines,
) -> Result<World, WorldError> {
    let Some(&(launched_on, ref replacement)) = AWAITED.get() else {
        return World::gather(LocalRanks::of_this_worker(device, world, gpus, deadlines));
    };
    let place = RankEnvironment::of_this_process()?;
    if (launched_on, place.world) != (device, world) {
        return Err(WorldError::NotLaunched { device, world, launched_on, launched: place.world });
    }
    // Once: no cell is begun that would need them again (`Response::Stranded`).
    WERE_GATHERED.store(true, Ordering::Relaxed);
    let Master { host, port } = place.rendezvous()?;
    let secret = Secret::of_environment()?;
    let address = (listening_host(host, addresses), *port);
    World::of_launched(address, secret, replacement.as_deref(), device, world, deadlines)
}

/// The address at which to listen so that this host is reached by its name.
///
/// On many machines a host's own name leads to 127.0.1.1, which nobody else reaches, and for others to the machine.
fn listening_host(host: &str, resolve: impl Fn(&str) -> Vec<IpAddr>) -> &str {
    if host == "localhost" || host.parse::<IpAddr>().is_ok() {
        return host;
    }
    if resolve(host).iter().any(IpAddr::is_loopback) { "0.0.0.0" } else { host }
}

/// What this machine takes a name for; nothing if it does not know it, which is said where it is listened at.
fn addresses(host: &str) -> Vec<IpAddr> {
    (host, 0).to_socket_addrs().into_iter().flatten().map(|address| address.ip()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_listens_where_it_is_reached() {
        let listening = |host, found: &[&str]| {
            listening_host(host, |_| found.iter().map(|address| address.parse().unwrap()).collect())
        };
        for given in ["127.0.0.1", "::1", "localhost", "192.0.2.7"] {
            assert_eq!(listening(given, &["127.0.0.1"]), given);
        }
        assert_eq!(listening("node1", &["127.0.1.1", "::1"]), "0.0.0.0");
        assert_eq!(listening("node1", &["127.0.1.1", "192.0.2.7"]), "0.0.0.0");
        assert_eq!(listening("node1", &["192.0.2.7"]), "node1");
        assert_eq!(listening("unknown", &[]), "unknown");
    }
}
