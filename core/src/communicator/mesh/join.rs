//! How processes find each other: each listens, and those of higher rank connect to those of lower rank.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use super::{Mesh, conversation::GRACE};
use crate::communicator::{Announcement, CommunicatorError, Patience, Step};

/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(1);

/// Connections that have not said who they are, at most: more are closed.
const STRANGERS: usize = 256;

/// What both sides of a new connection say first.
const MAGIC: [u8; 8] = *b"RCmesh01";

/// Magic, token, number of ranks, who speaks, and to whom.
const GREETING_BYTES: usize = 8 + 16 + 3 * 8;

/// Where a rank can be reached, before it joins the others.
pub struct MeshPoint {
    listener: TcpListener,
    address: SocketAddr,
}

impl MeshPoint {
    /// Listens at this address of the machine, on a port that the system chooses.
    pub fn listen(address: IpAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        listener.set_nonblocking(true)?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A connection on which not everything was said yet.
struct Stranger {
    stream: TcpStream,
    heard: [u8; GREETING_BYTES],
    length: usize,
}

impl Stranger {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, heard: [0; GREETING_BYTES], length: 0 })
    }

    /// Whether the whole greeting was heard.
    fn listen(&mut self) -> io::Result<bool> {
        while self.length < GREETING_BYTES {
            match self.stream.read(&mut self.heard[self.length..]) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it was closed by the other side")),
                Ok(count) => self.length += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// A rank that is joining.
struct Joining<'a> {
    point: &'a MeshPoint,
    rank: usize,
    addresses: &'a [SocketAddr],
    token: [u8; 16],
    at: Announcement,
    /// To each rank whose greeting was heard.
    streams: Vec<Option<TcpStream>>,
    /// To each lower rank that has not answered yet.
    asked: Vec<Option<Stranger>>,
    strangers: Vec<Stranger>,
    failure: Option<(Instant, CommunicatorError)>,
}

impl Joining<'_> {
    fn greeting(&self, from: usize, to: usize) -> [u8; GREETING_BYTES] {
        let mut greeting = [0; GREETING_BYTES];
        greeting[..8].copy_from_slice(&MAGIC);
        greeting[8..24].copy_from_slice(&self.token);
        for (place, number) in greeting[24..].chunks_exact_mut(8).zip([self.addresses.len(), from, to]) {
            place.copy_from_slice(&(number as u64).to_le_bytes());
        }
        greeting
    }

    fn failed(&mut self, rank: usize, message: String) {
        let error = CommunicatorError::Connection { at: self.at, rank, message };
        self.failure.get_or_insert((Instant::now(), error));
    }

    /// Connects to a lower rank, and says who this one is.
    fn ask(&self, peer: usize) -> io::Result<Stranger> {
        let mut stream = TcpStream::connect_timeout(&self.addresses[peer], CONNECT)?;
        // A new connection takes so few bytes at once.
        stream.write_all(&self.greeting(self.rank, peer))?;
        Stranger::new(stream)
    }

    /// A whole greeting came on a connection that another rank made.
    fn answer(&mut self, stranger: Stranger) {
        let Stranger { mut stream, heard, length: _ } = stranger;
        if heard[..8] != MAGIC {
            // Something else than a rank, such as a scan of all ports: it is none of the ranks' business.
            return;
        }
        let from = u64::from_le_bytes(std::array::from_fn(|byte| heard[32 + byte])) as usize;
        let world = self.addresses.len();
        if from >= world {
            self.failed(from, format!("there are only {world} ranks"));
        } else if heard != self.greeting(from, self.rank) {
            self.failed(from, "it joins with another token, number of ranks or address".into());
        } else if from <= self.rank || self.streams[from].is_some() {
            self.failed(from, "it joins where it is not expected".into());
        } else if let Err(error) = stream.write_all(&self.greeting(self.rank, from)) {
            self.failed(from, error.to_string());
        } else {
            self.streams[from] = Some(stream);
        }
    }

    fn attempt(&mut self) -> Result<Option<()>, CommunicatorError> {
        for peer in 0..self.rank {
            if self.failure.is_some() || self.streams[peer].is_some() {
                continue;
            }
            if self.asked[peer].is_none() {
                match self.ask(peer) {
                    Ok(stranger) => self.asked[peer] = Some(stranger),
                    Err(error) => self.failed(peer, error.to_string()),
                }
            }
            let Some(mut stranger) = self.asked[peer].take() else { continue };
            match stranger.listen() {
                Ok(false) => self.asked[peer] = Some(stranger),
                Ok(true) if stranger.heard == self.greeting(peer, self.rank) => {
                    self.streams[peer] = Some(stranger.stream);
                }
                Ok(true) => self.failed(peer, "another rank or token answers there".into()),
                Err(error) => self.failed(peer, error.to_string()),
            }
        }
        while let Ok((stream, _)) = self.point.listener.accept() {
            if let Ok(stranger) = Stranger::new(stream)
                && self.strangers.len() < STRANGERS
            {
                self.strangers.push(stranger);
            }
        }
        for mut stranger in std::mem::take(&mut self.strangers) {
            match stranger.listen() {
                Ok(false) => self.strangers.push(stranger),
                Ok(true) => self.answer(stranger),
                Err(_) => {}
            }
        }
        if let Some((_, failure)) = self.failure.take_if(|(since, _)| since.elapsed() > GRACE) {
            return Err(failure);
        }
        let missing = self.streams.iter().filter(|stream| stream.is_none()).count();
        Ok((self.failure.is_none() && missing == 1).then_some(()))
    }
}

impl Mesh {
    /// Joins the ranks that listen at `addresses`, which all must know, with the same secret `token`. It announces and
    /// completes [`Step::Initialise`].
    ///
    /// A connection that does not say it is a rank is ignored. One that does, with another token or a rank that cannot
    /// be, ends the attempt: a run with a stray rank is to be noticed. The token keeps runs apart; it is sent in the
    /// clear, so that whoever can listen to the network can join too.
    ///
    /// # Errors
    /// As every step; [`CommunicatorError::Unsupported`] if `rank` is no rank or there are not `world` addresses.
    pub fn join(
        point: MeshPoint,
        rank: usize,
        world: usize,
        addresses: &[SocketAddr],
        token: [u8; 16],
        patience: Patience,
    ) -> Result<Self, CommunicatorError> {
        if rank >= world || addresses.len() != world {
            let given = addresses.len();
            let message = format!("rank {rank} of {world} ranks cannot join {given} addresses");
            return Err(CommunicatorError::Unsupported(message));
        }
        let at = Announcement { sequence: 0, step: Step::Initialise };
        patience.referee.enter(at)?;
        let mut joining = Joining {
            point: &point,
            rank,
            addresses,
            token,
            at,
            streams: (0..world).map(|_| None).collect(),
            asked: (0..world).map(|_| None).collect(),
            strangers: Vec::new(),
            failure: None,
        };
        patience.poll(at, || joining.attempt())?;
        let streams = std::mem::take(&mut joining.streams);
        let mut mesh = Self::new(rank, streams, patience);
        mesh.synchronise(at)?;
        mesh.patience.referee.leave();
        Ok(mesh)
    }
}
