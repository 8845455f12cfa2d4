//! A rank's connection to its leader: one thread says that the rank lives, one listens, and any may speak.
//!
//! Where the leader is gone the process ends at once: nobody would ever tell it what became of the others.

use std::{
    net::TcpStream,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use nix::libc;
use robocache_core::communicator::{Announcement, Loss, Referee};

use super::{
    deadlines::BEAT,
    protocol::{Order, Word},
};
use crate::{
    exit::Exit,
    protocol::{receive, send},
};

/// The rank's end. Clones share it.
#[derive(Clone)]
pub(super) struct Line(Arc<Shared>);

struct Shared {
    rank: usize,
    writer: Mutex<TcpStream>,
    rulings: Mutex<Rulings>,
    changed: Condvar,
    /// The communicator in which a rank was lost last: asked for in loops.
    lost_in: AtomicU64,
}

/// What the leader has ruled in one communicator.
#[derive(Default)]
struct Rulings {
    generation: u64,
    /// The last step that all came to.
    agreed: Option<u64>,
    loss: Option<Loss>,
}

/// The leader, who sees all ranks of one communicator.
#[derive(Clone)]
pub(super) struct RemoteReferee {
    line: Line,
    generation: u64,
}

impl Line {
    /// Begins to give signs of life, and to listen. Orders come in their order; rulings are for the [`RemoteReferee`].
    pub(super) fn start(rank: usize, stream: TcpStream) -> std::io::Result<(Self, Receiver<Order>)> {
        let reader = stream.try_clone()?;
        let line = Self(Arc::new(Shared {
            rank,
            writer: Mutex::new(stream),
            rulings: Mutex::default(),
            changed: Condvar::new(),
            lost_in: AtomicU64::new(0),
        }));
        let (sender, orders) = channel();
        let listening = line.clone();
        thread::Builder::new().name("leader".into()).spawn(move || listening.listen(&reader, &sender))?;
        let beating = line.clone();
        thread::Builder::new().name("heartbeat".into()).spawn(move || {
            loop {
                beating.say(&Word::Beat);
                thread::sleep(BEAT);
            }
        })?;
        Ok((line, orders))
    }

    /// Says something to the leader. It is on its way when this returns.
    pub(super) fn say(&self, word: &Word) {
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = send(&*writer, word) {
            self.end(&error.to_string());
        }
    }

    /// The loss of a rank of this communicator.
    pub(super) fn loss(&self, generation: u64) -> Option<Loss> {
        if self.0.lost_in.load(Ordering::Acquire) == generation { self.rulings().loss } else { None }
    }

    /// Who referees this communicator.
    pub(super) fn referee(&self, generation: u64) -> RemoteReferee {
        RemoteReferee { line: self.clone(), generation }
    }

    fn listen(&self, reader: &TcpStream, orders: &Sender<Order>) {
        loop {
            let order = match receive::<Order>(reader) {
                Ok(Some(order)) => order,
                Ok(None) => self.end("it hung up"),
                Err(error) => self.end(&error.to_string()),
            };
            match order {
                Order::Go { generation, sequence } => self.rule(|rulings| {
                    if rulings.generation == generation {
                        rulings.agreed = Some(sequence);
                    }
                }),
                Order::Lost { generation, loss } => {
                    self.rule(|rulings| {
                        if rulings.generation == generation {
                            rulings.loss = Some(loss);
                        }
                    });
                    self.0.lost_in.store(generation, Ordering::Release);
                }
                order @ (Order::Prepare { .. }
                | Order::Join { .. }
                | Order::Perform { .. }
                | Order::Part { .. }
                | Order::Abandon { .. }
                | Order::Quit) => {
                    if let Order::Prepare { generation, .. } = order {
                        self.rule(|rulings| *rulings = Rulings { generation, agreed: None, loss: None });
                    }
                    // The other end is the main thread, which ends with the process.
                    let _ = orders.send(order);
                }
            }
        }
    }

    fn rule(&self, change: impl FnOnce(&mut Rulings)) {
        change(&mut self.rulings());
        self.0.changed.notify_all();
    }

    fn rulings(&self) -> MutexGuard<'_, Rulings> {
        self.0.rulings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the process, whatever its other threads do: one may be inside a library that waits for other ranks.
    fn end(&self, why: &str) -> ! {
        eprintln!("rank {}: the leader is gone: {why}", self.0.rank);
        // SAFETY: it runs nothing of this process any more, so that no state of another thread matters.
        unsafe { libc::_exit(Exit::HarnessFailed as i32) }
    }
}

impl RemoteReferee {
    /// Tells the leader that a fault is about to be carried out.
    pub(super) fn say_firing(&self, at: Announcement) {
        self.line.say(&Word::Firing { generation: self.generation, at });
    }
}

impl Referee for RemoteReferee {
    fn enter(&self, at: Announcement) -> Result<(), Loss> {
        let Self { line, generation } = self;
        line.say(&Word::Entered { generation: *generation, at });
        let mut rulings = line.rulings();
        loop {
            // Agreement goes first: where a rank is lost right after all came, the others are inside the step.
            if rulings.agreed == Some(at.sequence) {
                return Ok(());
            }
            if let Some(loss) = rulings.loss {
                return Err(loss);
            }
            rulings = line.0.changed.wait(rulings).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn leave(&self) {
        self.line.say(&Word::Left { generation: self.generation });
    }

    fn loss(&self) -> Option<Loss> {
        self.line.loss(self.generation)
    }
}
