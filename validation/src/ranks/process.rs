//! A rank's process that the leader started.

use std::{
    ffi::OsString,
    io,
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    environment::RANK_VARIABLES,
    secret::{SECRET_VARIABLE, Secret},
};
use crate::cell::Device;

/// How long a killed process may take to go. One inside a hung driver never does, and is left to it.
const REAP: Duration = Duration::from_secs(10);

/// The variable that tells a rank that its leader started it: it must not outlive that, and sees no GPU but its own.
pub(super) const STARTED_VARIABLE: &str = "ROBOCACHE_RANK_OF_LEADER";

/// What a rank is started with.
pub(super) struct Start<'a> {
    pub(super) program: &'a Path,
    pub(super) arguments: &'a [OsString],
    pub(super) rank: usize,
    pub(super) world: usize,
    pub(super) device: Device,
    pub(super) gpu: Option<&'a str>,
    pub(super) leader: SocketAddr,
    pub(super) secret: &'a Secret,
}

/// A rank's process. Dropping it kills it.
#[derive(Debug)]
pub(super) struct RankProcess {
    child: Child,
    status: Option<ExitStatus>,
}

impl RankProcess {
    /// Starts one in this process's group, writing where this one writes, with the variables that torchrun would set.
    pub(super) fn start(start: &Start<'_>) -> io::Result<Self> {
        let Start { program, arguments, rank, world, device, gpu, leader, secret } = *start;
        let mut command = Command::new(program);
        command.args(arguments).args(["--device", &device.to_string()]).stdin(Stdio::null());
        for name in RANK_VARIABLES {
            command.env_remove(name);
        }
        command
            .env("RANK", rank.to_string())
            .env("LOCAL_RANK", rank.to_string())
            .env("WORLD_SIZE", world.to_string())
            .env("LOCAL_WORLD_SIZE", world.to_string())
            .env("MASTER_ADDR", leader.ip().to_string())
            .env("MASTER_PORT", leader.port().to_string())
            .env(SECRET_VARIABLE, secret.text())
            .env(STARTED_VARIABLE, "1");
        if let Some(gpu) = gpu {
            command.env("CUDA_VISIBLE_DEVICES", gpu);
        }
        // NVLink multicast is shared between all processes of a machine: a rank that is killed inside it can leave it
        // unusable for the next communicator.
        if std::env::var_os("NCCL_NVLS_ENABLE").is_none() {
            command.env("NCCL_NVLS_ENABLE", "0");
        }
        Ok(Self { child: command.spawn()?, status: None })
    }

    /// How it ended, once it has.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// Waits for it to end by itself.
    pub(super) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let begin = Instant::now();
        loop {
            let status = self.status();
            if status.is_some() || begin.elapsed() >= limit {
                return status;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills it, stopped or not, and waits until it is gone.
    pub(super) fn end(&mut self) -> Option<ExitStatus> {
        if self.status().is_none() {
            let pid = Pid::from_raw(self.child.id() as i32);
            // Not reaped yet, so the number is still its own. SIGKILL ends a stopped process as well; one that a debugger
            // or a job control signal stopped goes at once only if it is continued.
            let _ = kill(pid, Signal::SIGKILL);
            let _ = kill(pid, Signal::SIGCONT);
        }
        self.wait(REAP)
    }
}

impl Drop for RankProcess {
    fn drop(&mut self) {
        self.end();
    }
}

/// Signal and exit code.
pub(super) fn parts(status: Option<ExitStatus>) -> (Option<i32>, Option<i32>) {
    (status.and_then(|status| status.signal()), status.and_then(|status| status.code()))
}
