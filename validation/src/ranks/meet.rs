//! The rank's side of how ranks come together.

use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
    thread,
    time::{Duration, Instant},
};

use serde_json::value::to_raw_value;

use super::{
    environment::Master,
    error::RankError,
    presence::Presence,
    protocol::{Challenge, Hello, VERSION, Verdict},
    secret::{Nonce, Secret, Side},
};
use crate::protocol::{ProtocolError, receive, send};

/// How long a leader may take to listen: ranks and leader are started at the same time.
const LEADER_STARTS: Duration = Duration::from_secs(30);

/// How long a leader may take to challenge whoever connects. It does so at once.
const CHALLENGE: Duration = Duration::from_secs(10);

/// How long all ranks may take to arrive. The leader says so when that is over; this is for one that cannot.
const OTHERS_ARRIVE: Duration = Duration::from_secs(120);

/// How long to wait before the next attempt.
const PAUSE: Duration = Duration::from_millis(50);

/// Finds the leader, proves itself to it, has it prove itself, and waits for the others.
pub(super) fn meet(master: &Master, secret: &Secret, presence: &Presence) -> Result<TcpStream, RankError> {
    let rank = presence.rank;
    let address = format!("{}:{}", master.host, master.port);
    let begin = Instant::now();
    let mut stream = loop {
        let reason = match connect(master) {
            Ok(stream) => break stream,
            Err(error) => error.to_string(),
        };
        if begin.elapsed() >= LEADER_STARTS {
            return Err(RankError::NoLeader { rank, address, seconds: LEADER_STARTS.as_secs_f64(), reason });
        }
        thread::sleep(PAUSE);
    };
    let system = |step| move |source| RankError::System { rank, step, source };
    let impostor = |reason: String| RankError::Impostor { rank, address: address.clone(), reason };
    let unheard = |error: ProtocolError| impostor(error.to_string());

    stream.set_nodelay(true).map_err(system("use its connection"))?;
    stream.set_read_timeout(Some(CHALLENGE)).map_err(system("use its connection"))?;
    let challenge: Challenge = receive(&stream).map_err(unheard)?.ok_or_else(|| impostor("it hung up".into()))?;
    let nonce = Nonce::new().map_err(system("get random numbers"))?;
    let said = to_raw_value(presence).map_err(|error| system("say who it is")(error.into()))?;
    let proof = secret.prove(Side::Rank, challenge.nonce, nonce, said.get().as_bytes());
    send(&mut stream, &Hello { protocol: VERSION, nonce, presence: said, proof }).map_err(unheard)?;

    stream.set_read_timeout(Some(OTHERS_ARRIVE)).map_err(system("use its connection"))?;
    match receive::<Verdict>(&stream).map_err(unheard)? {
        Some(Verdict::Welcome { proof }) => {
            if !secret.accepts(proof, Side::Leader, challenge.nonce, nonce, b"welcome") {
                return Err(impostor("it does not know the secret".into()));
            }
        }
        Some(Verdict::Refused(refusal)) => return Err(RankError::Refused { rank, refusal }),
        None => return Err(impostor("it hung up without a word".into())),
    }
    stream.set_read_timeout(None).map_err(system("use its connection"))?;
    Ok(stream)
}

fn connect(master: &Master) -> io::Result<TcpStream> {
    /// One address that swallows everything must not use up the time of the others.
    const ATTEMPT: Duration = Duration::from_secs(5);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (master.host.as_str(), master.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, ATTEMPT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
