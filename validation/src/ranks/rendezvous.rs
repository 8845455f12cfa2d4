//! The leader's side of how ranks come together: it waits until all have proved themselves, and then welcomes them.
//!
//! Whoever connects is challenged at once and given little time. One that says nothing, or nothing that is understood, is
//! dropped and holds nobody up. One that speaks the protocol and may not take part is told why, and then the others are:
//! it was meant to be one of them, and they would wait for it in vain.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use super::{
    connection::{Connection, part, wait},
    error::WorldError,
    presence::Presence,
    protocol::{Challenge, Hello, VERSION, Verdict},
    refusal::Refusal,
    secret::{Nonce, Secret, Side},
};
use crate::cell::Device;

/// How long one that connected may take to say who it is.
const INTRODUCTION: Duration = Duration::from_secs(5);

/// How many may have connected without having said who they are: the one that came first goes.
const MOST_STRANGERS: usize = 256;

/// How long to wait at a time, so that a process that ended is noticed.
const SLICE: Duration = Duration::from_millis(20);

/// How long those that were turned away have to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// A place where ranks come together.
#[derive(Debug)]
pub(super) struct Rendezvous {
    listener: TcpListener,
    address: SocketAddr,
    secret: Secret,
    program: String,
    device: Device,
}

/// A rank that may take part.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) presence: Presence,
    pub(super) connection: Connection,
}

/// One that has connected.
struct Newcomer {
    connection: Connection,
    from: SocketAddr,
    challenge: Nonce,
    since: Instant,
}

/// One that proved itself and waits for the others.
struct Arrival {
    member: Member,
    challenge: Nonce,
    nonce: Nonce,
}

impl Rendezvous {
    /// Listens at an address; port 0 is any that is free.
    pub(super) fn listen(
        (host, port): (&str, u16),
        secret: Secret,
        program: String,
        device: Device,
    ) -> Result<Self, WorldError> {
        let listening = || {
            let listener = TcpListener::bind((host, port))?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) =
            listening().map_err(|source| WorldError::Listen { address: format!("{host}:{port}"), source })?;
        Ok(Self { listener, address, secret, program, device })
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The secret of this world.
    pub(super) const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Waits for every rank that is not there yet. `watch` says why one of them will not come. Where one is turned away,
    /// others that come within `latecomers` are told so too.
    pub(super) fn gather(
        &self,
        members: &mut [Option<Member>],
        limit: Duration,
        latecomers: Duration,
        mut watch: impl FnMut() -> Option<WorldError>,
    ) -> Result<(), WorldError> {
        let mut arrivals: Vec<Option<Arrival>> = members.iter().map(|_| None).collect();
        let mut newcomers = Vec::new();
        let gathered = self.meet(members, &mut arrivals, &mut newcomers, limit, &mut watch);
        match gathered {
            Ok(()) => {
                for (member, arrival) in members.iter_mut().zip(arrivals) {
                    if let Some(Arrival { member: mut arrived, challenge, nonce }) = arrival {
                        let proof = self.secret.prove(Side::Leader, challenge, nonce, b"welcome");
                        arrived.connection.send(&Verdict::Welcome { proof });
                        arrived.connection.begin_listening();
                        *member = Some(arrived);
                    }
                }
                Ok(())
            }
            Err(error) => {
                let told = Verdict::Refused(Refusal::GivenUp { reason: error.to_string() });
                let arrived = arrivals.into_iter().flatten().map(|arrival| arrival.member.connection);
                let mut all: Vec<_> =
                    arrived.chain(newcomers.into_iter().map(|newcomer| newcomer.connection)).collect();
                all.iter_mut().for_each(|connection| connection.send(&told));
                let present = members.iter().flatten().count() + all.len();
                part(&mut all, FAREWELL);
                if matches!(error, WorldError::Refused { .. }) {
                    self.turn_away(members.len().saturating_sub(present + 1), &told, latecomers)?;
                }
                Err(error)
            }
        }
    }

    fn meet(
        &self,
        members: &[Option<Member>],
        arrivals: &mut [Option<Arrival>],
        newcomers: &mut Vec<Newcomer>,
        limit: Duration,
        watch: &mut dyn FnMut() -> Option<WorldError>,
    ) -> Result<(), WorldError> {
        let begin = Instant::now();
        loop {
            let missing: Vec<usize> =
                (0..members.len()).filter(|&rank| members[rank].is_none() && arrivals[rank].is_none()).collect();
            if missing.is_empty() {
                return Ok(());
            }
            if begin.elapsed() >= limit {
                return Err(WorldError::Missing { missing, seconds: limit.as_secs_f64() });
            }
            if let Some(error) = watch() {
                return Err(error);
            }
            let waiting = arrivals.iter().flatten().map(|arrival| &arrival.member.connection);
            let strangers = newcomers.iter().map(|newcomer| &newcomer.connection);
            wait(waiting.chain(strangers), Some(self.listener.as_fd()), SLICE);
            self.accept(newcomers)?;
            // One that went away again may come back, as a rank that a launcher starts anew does.
            for arrival in arrivals.iter_mut() {
                if let Some(Arrival { member, .. }) = arrival {
                    // It has nothing to say before it is welcomed.
                    let spoke = member.connection.take::<Verdict>().is_some();
                    if spoke || member.connection.is_closed() {
                        *arrival = None;
                    }
                }
            }
            for mut newcomer in std::mem::take(newcomers) {
                match newcomer.connection.take::<Hello>() {
                    Some(hello) => self.admit(newcomer, hello, members, arrivals)?,
                    None if newcomer.connection.is_closed() || newcomer.since.elapsed() > INTRODUCTION => {}
                    None => {
                        newcomer.connection.flush();
                        newcomers.push(newcomer);
                    }
                }
            }
        }
    }

    /// Tells this to so many ranks, as they come.
    fn turn_away(&self, mut expected: usize, told: &Verdict, limit: Duration) -> Result<(), WorldError> {
        let begin = Instant::now();
        let mut newcomers = Vec::new();
        while expected > 0 && begin.elapsed() < limit {
            wait(newcomers.iter().map(|newcomer: &Newcomer| &newcomer.connection), Some(self.listener.as_fd()), SLICE);
            self.accept(&mut newcomers)?;
            for mut newcomer in std::mem::take(&mut newcomers) {
                if newcomer.connection.take::<Hello>().is_some() {
                    newcomer.connection.send(told);
                    part(&mut [newcomer.connection], FAREWELL);
                    expected -= 1;
                } else if !newcomer.connection.is_closed() {
                    newcomer.connection.flush();
                    newcomers.push(newcomer);
                }
            }
        }
        Ok(())
    }

    fn accept(&self, newcomers: &mut Vec<Newcomer>) -> Result<(), WorldError> {
        loop {
            let (stream, from) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // It went away before it was looked at.
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let challenge = Nonce::new()?;
            let mut connection = Connection::new(stream)?;
            connection.send(&Challenge { protocol: VERSION, nonce: challenge });
            newcomers.push(Newcomer { connection, from, challenge, since: Instant::now() });
            if newcomers.len() > MOST_STRANGERS {
                newcomers.remove(0);
            }
        }
    }

    /// Takes a newcomer among those that wait, or turns it away.
    fn admit(
        &self,
        newcomer: Newcomer,
        hello: Hello,
        members: &[Option<Member>],
        arrivals: &mut [Option<Arrival>],
    ) -> Result<(), WorldError> {
        let Newcomer { mut connection, from, challenge, since: _ } = newcomer;
        let present: Vec<Option<&Presence>> = members
            .iter()
            .zip(&*arrivals)
            .map(|(member, arrival)| {
                member.as_ref().or(arrival.as_ref().map(|arrival| &arrival.member)).map(|member| &member.presence)
            })
            .collect();
        match self.examine(&hello, challenge, &present) {
            Ok(presence) => {
                let rank = presence.rank;
                let member = Member { presence, connection };
                arrivals[rank] = Some(Arrival { member, challenge, nonce: hello.nonce });
                Ok(())
            }
            Err(refusal) => {
                // What it says of itself is told as such: it may have proved nothing.
                let said: Option<Presence> = serde_json::from_str(hello.presence.get()).ok();
                let name =
                    said.map_or_else(|| "somebody".into(), |said| format!("rank {} of {}", said.rank, said.host));
                connection.send(&Verdict::Refused(refusal.clone()));
                part(&mut [connection], FAREWELL);
                Err(WorldError::Refused { who: format!("{name} ({from})"), refusal })
            }
        }
    }

    fn examine(&self, hello: &Hello, challenge: Nonce, present: &[Option<&Presence>]) -> Result<Presence, Refusal> {
        if hello.protocol != VERSION {
            return Err(Refusal::OtherProtocol { theirs: hello.protocol });
        }
        let said = hello.presence.get();
        if !self.secret.accepts(hello.proof, Side::Rank, challenge, hello.nonce, said.as_bytes()) {
            return Err(Refusal::WrongSecret);
        }
        let presence: Presence = serde_json::from_str(said).map_err(|_| Refusal::OtherProgram)?;
        check(&presence, &self.program, self.device, present)?;
        Ok(presence)
    }
}

/// Whether one that knows the secret may be one of these.
fn check(presence: &Presence, program: &str, device: Device, present: &[Option<&Presence>]) -> Result<(), Refusal> {
    let Presence { rank, world, pid: _, host: _, program: theirs, gpu } = presence;
    if theirs != program {
        return Err(Refusal::OtherProgram);
    }
    let ours = present.len();
    if *world != ours {
        return Err(Refusal::OtherWorld { ours, theirs: *world });
    }
    let Some(place) = present.get(*rank) else {
        return Err(Refusal::OutOfRange { rank: *rank, world: ours });
    };
    if let Some(Presence { pid, host, .. }) = place {
        return Err(Refusal::Taken { rank: *rank, pid: *pid, host: host.clone() });
    }
    let gpu = match (device, gpu) {
        (Device::Cpu, None) => return Ok(()),
        (Device::Cuda, Some(gpu)) => gpu,
        (Device::Cpu, Some(gpu)) => {
            return Err(Refusal::OtherDevice { needed: "no GPU".into(), theirs: format!("an {}", gpu.name) });
        }
        (Device::Cuda, None) => {
            return Err(Refusal::OtherDevice { needed: "a GPU".into(), theirs: "none".into() });
        }
    };
    let others = present.iter().flatten().filter_map(|other| Some((other.rank, other.gpu.as_ref()?)));
    for (rank, other) in others {
        if other.name != gpu.name {
            return Err(Refusal::MixedGpus { rank, ours: other.name.clone(), theirs: gpu.name.clone() });
        }
        if other.uuid == gpu.uuid {
            return Err(Refusal::GpuTaken { rank, uuid: gpu.uuid.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::RankGpu;

    fn presence(rank: usize, gpu: Option<(&str, &str)>) -> Presence {
        let gpu = gpu.map(|(name, uuid)| RankGpu { name: name.into(), uuid: uuid.into(), driver: "13.0".into() });
        Presence { rank, world: 3, pid: 7, host: "here".into(), program: "abc".into(), gpu }
    }

    #[test]
    fn each_way_not_to_belong_has_its_own_refusal() {
        let here = presence(1, None);
        let refusal = |newcomer: Presence, device| check(&newcomer, "abc", device, &[None, Some(&here), None]);
        assert_eq!(refusal(presence(0, None), Device::Cpu), Ok(()));
        assert_eq!(
            refusal(presence(1, None), Device::Cpu),
            Err(Refusal::Taken { rank: 1, pid: 7, host: "here".into() })
        );
        assert_eq!(refusal(presence(3, None), Device::Cpu), Err(Refusal::OutOfRange { rank: 3, world: 3 }));
        let other = Presence { world: 2, ..presence(0, None) };
        assert_eq!(refusal(other, Device::Cpu), Err(Refusal::OtherWorld { ours: 3, theirs: 2 }));
        let other = Presence { program: "def".into(), ..presence(0, None) };
        assert_eq!(refusal(other, Device::Cpu), Err(Refusal::OtherProgram));
        assert!(matches!(refusal(presence(0, None), Device::Cuda), Err(Refusal::OtherDevice { .. })));
        let gpu = presence(0, Some(("NVIDIA H100", "GPU-1")));
        assert!(matches!(refusal(gpu, Device::Cpu), Err(Refusal::OtherDevice { .. })));
    }

    #[test]
    fn gpus_are_of_one_model_and_each_is_used_once() {
        let here = presence(0, Some(("NVIDIA H100", "GPU-1")));
        let refusal = |gpu| check(&presence(2, Some(gpu)), "abc", Device::Cuda, &[Some(&here), None, None]);
        assert_eq!(refusal(("NVIDIA H100", "GPU-2")), Ok(()));
        let mixed = refusal(("NVIDIA H200", "GPU-2")).unwrap_err();
        assert_eq!(
            mixed.to_string(),
            "this rank has an NVIDIA H200, but rank 0 has an NVIDIA H100: all must be of one model"
        );
        assert_eq!(refusal(("NVIDIA H100", "GPU-1")), Err(Refusal::GpuTaken { rank: 0, uuid: "GPU-1".into() }));
    }
}
