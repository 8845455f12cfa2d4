//! The parent of all workers: hands out cells, enforces deadlines from outside, and outlives whatever a cell does.
//!
//! Each slot is a thread with at most one warm worker process. A worker that hung, died, broke the protocol, panicked
//! or lost its device is killed with its process group, and the next cell starts another; the cell that met it gets an
//! outcome that says so, and the others carry on.
//!
//! The threads live as long as the [`Supervisor`], not as long as one call: Linux sends a worker its parent-death
//! signal when the *thread* that started it ends.
//!
//! Two things escape a group kill: a process that the code under test moved to a session of its own, and, when the
//! supervisor itself is killed with SIGKILL, children that the code under test forked.

pub mod interrupt;
mod output;
pub(crate) mod process;
mod queue;
mod slot;

use std::{
    any::Any,
    ffi::OsString,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use self::{
    process::{Launch, Place},
    queue::Queue,
    slot::{Ran, Slot},
};
use crate::{
    cell::{Cell, Device},
    observation::Outcome,
    protocol::Attached,
};

/// The running program, even if its file was replaced since: supervisor and workers are always the same build.
pub(crate) const THIS_PROGRAM: &str = "/proc/self/exe";

/// How many workers there are and what they are.
#[derive(Clone, Debug)]
pub struct SupervisorOptions {
    /// The worker program, which must call [`worker::serve`](crate::worker::serve).
    pub program: PathBuf,
    /// What makes the program a worker.
    pub worker_arguments: Vec<OsString>,
    /// How many CPU cells run at a time.
    pub cpu_workers: usize,
    /// One worker for each GPU, named by what its `CUDA_VISIBLE_DEVICES` is to be. CUDA cells run one at a time on
    /// each, whichever is free.
    pub gpu_workers: Vec<String>,
    /// The `CUDA_VISIBLE_DEVICES` of one worker more, for cells that need every GPU: nothing else runs while one of them
    /// does.
    pub all_gpus_worker: Option<String>,
    /// Whether what workers print goes to standard error as it comes.
    pub no_capture: bool,
    /// What its workers need more time for.
    pub allowances: Allowances,
}

/// Time that workers are given beside the deadlines of cells: none, but where they lead ranks that somebody else started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowances {
    /// How much longer the first cell of a worker may take, which waits for those ranks.
    pub gathering: Duration,
    /// How long an idle worker may take to end by itself when there is nothing more to do; zero kills it at once.
    pub farewell: Duration,
}

impl SupervisorOptions {
    /// One CPU worker, which is this program started with `worker_arguments`.
    pub fn for_this_program(worker_arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            program: THIS_PROGRAM.into(),
            worker_arguments: worker_arguments.into_iter().map(Into::into).collect(),
            cpu_workers: 1,
            gpu_workers: Vec::new(),
            all_gpus_worker: None,
            no_capture: false,
            allowances: Allowances::default(),
        }
    }
}

/// One cell to be executed.
#[derive(Clone, Debug)]
pub struct Job {
    /// What its events are known by; the caller's choice.
    pub index: usize,
    /// The cell.
    pub cell: Cell,
    /// What comes with it.
    pub attached: Attached,
}

/// What happens to a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A worker is about to be given it.
    Started {
        /// [`Job::index`].
        index: usize,
    },
    /// It ended. Each job ends exactly once, unless the run is interrupted.
    Ended {
        /// [`Job::index`].
        index: usize,
        /// How.
        outcome: Outcome,
        /// Since it started, the start of a worker included.
        elapsed: Duration,
    },
}

/// Whether all jobs ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Execution {
    /// They did.
    Complete,
    /// [`interrupt::requested`] became true first; jobs without an `Ended` event did not end.
    Interrupted,
    /// Ranks that a launcher started were lost first, and only it can start them again; jobs without an `Ended` event did not
    /// begin.
    Stranded,
}

/// A fixed set of slots and their warm workers. Dropping it ends the workers.
pub struct Supervisor {
    cpu: Arc<Queue<Task>>,
    cuda: Arc<Queue<Task>>,
    all_gpus: Arc<Queue<Task>>,
    cpu_slots: usize,
    cuda_slots: usize,
    all_gpus_slots: usize,
    /// Whoever times something or needs every GPU holds it alone; all others share it.
    turns: Arc<RwLock<()>>,
    is_stranded: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// A job and whom to tell about it.
struct Task {
    job: Job,
    events: Sender<Event>,
    turns: Arc<RwLock<()>>,
}

impl Supervisor {
    /// Starts the slots; workers start with the first cells. Fails only if the system refuses another thread.
    pub fn new(options: SupervisorOptions) -> io::Result<Self> {
        let mut supervisor = Self {
            cpu: Arc::new(Queue::new()),
            cuda: Arc::new(Queue::new()),
            all_gpus: Arc::new(Queue::new()),
            cpu_slots: options.cpu_workers,
            cuda_slots: options.gpu_workers.len(),
            all_gpus_slots: options.all_gpus_worker.iter().len(),
            turns: Arc::default(),
            is_stranded: Arc::default(),
            threads: Vec::new(),
        };
        let launch = |environment| Launch {
            program: options.program.clone(),
            arguments: options.worker_arguments.clone(),
            environment,
            place: Place::OwnGroup { forward_output: options.no_capture },
        };
        let slot = |launch| Slot::new(launch, options.allowances);
        for number in 0..options.cpu_workers {
            let queue = Arc::clone(&supervisor.cpu);
            supervisor.add_slot(format!("cpu slot {number}"), queue, slot(launch(Vec::new())))?;
        }
        let seeing = |visible: &String| launch(vec![("CUDA_VISIBLE_DEVICES".into(), visible.clone())]);
        for (number, visible) in options.gpu_workers.iter().enumerate() {
            let queue = Arc::clone(&supervisor.cuda);
            supervisor.add_slot(format!("cuda slot {number}"), queue, slot(seeing(visible)))?;
        }
        if let Some(visible) = &options.all_gpus_worker {
            let queue = Arc::clone(&supervisor.all_gpus);
            supervisor.add_slot("slot of all GPUs".to_owned(), queue, slot(seeing(visible)))?;
        }
        Ok(supervisor)
    }

    /// Executes the jobs, CPU and CUDA ones at the same time, and tells `on_event` on the calling thread. A job that
    /// measures time or needs every GPU runs while no other does. Several threads may call this at once; they share the slots.
    pub fn execute(&self, jobs: &[Job], on_event: &(dyn Fn(Event) + Sync)) -> Execution {
        let (events, incoming) = channel();
        for job in jobs {
            let task = Task { job: job.clone(), events: events.clone(), turns: Arc::clone(&self.turns) };
            let (queue, slots) = match job.cell.device {
                Device::Cpu => (&self.cpu, self.cpu_slots),
                Device::Cuda if job.cell.takes_all_gpus() => (&self.all_gpus, self.all_gpus_slots),
                Device::Cuda => (&self.cuda, self.cuda_slots),
            };
            if slots == 0 {
                // Nobody would ever take it out of the queue.
                task.fail(format!("there is no worker for {} cells", job.cell.device));
            } else {
                queue.push(task);
            }
        }
        drop(events);
        let mut ended = 0;
        // Ends when every task was dropped, and with it the last sender: after its end, or after an interrupt.
        for event in incoming {
            ended += usize::from(matches!(event, Event::Ended { .. }));
            on_event(event);
        }
        match (ended == jobs.len(), self.is_stranded.load(Ordering::Acquire)) {
            (true, _) => Execution::Complete,
            (false, true) => Execution::Stranded,
            (false, false) => Execution::Interrupted,
        }
    }

    fn add_slot(&mut self, name: String, queue: Arc<Queue<Task>>, mut slot: Slot) -> io::Result<()> {
        let is_stranded = Arc::clone(&self.is_stranded);
        let serve = move || {
            let cancelled = || interrupt::requested() || queue.is_closed() || is_stranded.load(Ordering::Acquire);
            while let Some(task) = queue.pop() {
                task.run(&mut slot, &cancelled, &is_stranded);
            }
        };
        self.threads.push(Builder::new().name(name).spawn(serve)?);
        Ok(())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.cpu.close();
        self.cuda.close();
        self.all_gpus.close();
        for thread in self.threads.drain(..) {
            // A slot catches panics; if one got through, its worker was dropped with it.
            let _ = thread.join();
        }
    }
}

impl Task {
    /// Runs the job, unless nobody waits for it any more.
    fn run(self, slot: &mut Slot, cancelled: &dyn Fn() -> bool, is_stranded: &AtomicBool) {
        let turns = Arc::clone(&self.turns);
        // A panic is caught below, so nobody poisons it; and there is nothing in it that could be half done.
        let is_alone = self.job.cell.suite.is_timed() || self.job.cell.takes_all_gpus();
        let _turn = if is_alone {
            (Some(turns.write().unwrap_or_else(PoisonError::into_inner)), None)
        } else {
            (None, Some(turns.read().unwrap_or_else(PoisonError::into_inner)))
        };
        if cancelled() || self.events.send(Event::Started { index: self.job.index }).is_err() {
            return;
        }
        let begin = Instant::now();
        // A defect of the supervisor costs one cell, not the run.
        let ran = catch_unwind(AssertUnwindSafe(|| slot.run(&self.job, cancelled))).unwrap_or_else(|panic| {
            slot.discard_worker();
            let message = format!("the supervisor panicked: {}", panic_message(&*panic));
            Ran::Ended(Outcome::HarnessFailed { message })
        });
        match ran {
            Ran::Ended(outcome) => {
                let elapsed = begin.elapsed();
                slot.exhibit(&self.job, &outcome, cancelled);
                self.end(outcome, elapsed);
            }
            Ran::Cancelled => {}
            // Before the task is dropped, which may be the last that is waited for.
            Ran::Stranded => is_stranded.store(true, Ordering::Release),
        }
    }

    fn fail(self, message: String) {
        self.end(Outcome::HarnessFailed { message }, Duration::ZERO);
    }

    fn end(self, outcome: Outcome, elapsed: Duration) {
        // A caller that stopped listening wants to know nothing.
        let _ = self.events.send(Event::Ended { index: self.job.index, outcome, elapsed });
    }
}

/// What a panic said.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text")
}
