//! Asking a child process, which may hang or crash instead of answering.

use std::{
    io::Read,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde::de::DeserializeOwned;

/// More than any answer has.
const OUTPUT_LIMIT_BYTES: u64 = 1 << 20;

/// How long output may still be on its way, or a killed process may take to go, after the fact.
const GRACE: Duration = Duration::from_secs(1);

/// What a child process is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    /// What it does, as reasons name it.
    pub(crate) task: &'static str,
    /// When it is killed.
    pub(crate) deadline: Duration,
    /// What may be wrong then.
    pub(crate) after_deadline: &'static str,
}

/// Runs `command`, which must print the answer as JSON in time; the error is a reason for people.
pub(crate) fn ask<T: DeserializeOwned>(command: &mut Command, question: Question) -> Result<T, String> {
    let Question { task, deadline, after_deadline } = question;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{task} could not be started: {error}"))?;
    let answer = drain(child.stdout.take().expect("stdout is piped"));
    let complaint = drain(child.stderr.take().expect("stderr is piped"));
    let Some(status) = wait(&mut child, deadline) else {
        kill(&mut child);
        return Err(format!("{task} took longer than {} s and was killed; {after_deadline}", deadline.as_secs_f64()));
    };
    if !status.success() {
        return Err(format!("{task} died ({status}){}", last_line(&complaint)));
    }
    let answer = answer.recv_timeout(GRACE).unwrap_or_default();
    serde_json::from_slice(&answer).map_err(|error| format!("{task} gave no proper answer: {error}"))
}

/// Reads in the background, so that a child never waits for room in a pipe, nor we for a pipe that a grandchild keeps.
fn drain(pipe: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth having, and nobody may be listening any more.
        let _ = pipe.take(OUTPUT_LIMIT_BYTES).read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

/// How the child ended, or `None` if it did not before `deadline`.
fn wait(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        // An error would mean that somebody else reaped it; then there is nothing to wait for either.
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if start.elapsed() < deadline => thread::sleep(Duration::from_millis(2)),
            Ok(None) | Err(_) => return None,
        }
    }
}

fn kill(child: &mut Child) {
    // Its own group, made at its start, and not reaped yet, so that the number cannot belong to anybody else.
    let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
    // A process inside a hung driver does not die. It must not hang us as well, so we do not insist.
    wait(child, GRACE);
}

fn last_line(output: &mpsc::Receiver<Vec<u8>>) -> String {
    const LONGEST: usize = 200;
    let output = output.recv_timeout(GRACE).unwrap_or_default();
    let output = String::from_utf8_lossy(&output);
    // The note on RUST_BACKTRACE comes after the panic's message.
    let line = output.lines().rfind(|line| !line.trim().is_empty() && !line.starts_with("note: "));
    line.map_or_else(String::new, |line| format!(": {}", line.chars().take(LONGEST).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    const DEADLINE: Duration = Duration::from_secs(10);

    const SEARCH: Question =
        Question { task: "the search for GPUs", deadline: DEADLINE, after_deadline: "the driver may hang" };

    fn ask_shell(script: &str, deadline: Duration) -> Result<Machine, String> {
        ask(Command::new("sh").args(["-c", script]), Question { deadline, ..SEARCH })
    }

    #[test]
    fn an_answer_is_taken_as_it_is() {
        let machine = Machine::without_gpus("no driver".into());
        let json = serde_json::to_string(&machine).unwrap();
        assert_eq!(ask_shell(&format!("echo noise >&2; echo '{json}'"), DEADLINE), Ok(machine));
    }

    #[test]
    fn a_child_that_hangs_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", pid_file.display());
        let start = Instant::now();
        let reason = ask_shell(&script, Duration::from_secs(1)).unwrap_err();
        assert!(reason.contains("took longer than 1 s"), "{reason}");
        assert!(start.elapsed() < Duration::from_secs(9));
        let grandchild = std::fs::read_to_string(pid_file).unwrap();
        let alive = || {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", grandchild.trim())).unwrap_or_default();
            !state.is_empty() && !state.contains(") Z ")
        };
        while alive() {
            assert!(start.elapsed() < DEADLINE, "the grandchild lives on");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_crash_is_a_reason_with_the_last_words() {
        let reason = ask_shell("echo first >&2; echo 'panicked: no symbol' >&2; kill -SEGV $$", DEADLINE).unwrap_err();
        assert!(reason.starts_with("the search for GPUs died (signal: 11"), "{reason}");
        assert!(reason.ends_with(": panicked: no symbol"), "{reason}");
        let reason = ask_shell("exit 3", DEADLINE).unwrap_err();
        assert_eq!(reason, "the search for GPUs died (exit status: 3)");
    }

    #[test]
    fn nonsense_silence_and_floods_are_reasons() {
        for script in ["echo '{\"cpus\": }'", "true", "head -c 3000000 /dev/zero"] {
            let reason = ask_shell(script, DEADLINE).unwrap_err();
            assert!(reason.contains("no proper answer") || reason.contains("died"), "{script}: {reason}");
        }
        let reason = ask::<Machine>(&mut Command::new("/nonexistent/program"), SEARCH).unwrap_err();
        assert!(reason.contains("could not be started"), "{reason}");
    }

    #[test]
    fn an_answer_is_not_delayed_by_a_grandchild_that_keeps_the_pipe() {
        let start = Instant::now();
        let reason = ask_shell("sleep 15 & true", DEADLINE).unwrap_err();
        assert!(reason.contains("no proper answer"), "{reason}");
        assert!(start.elapsed() < Duration::from_secs(15));
    }
}
