//! The record log: append-only, and durable before anything is said about a record.
//!
//! Many threads append; one writer takes whatever has queued up, writes it with one call, syncs it once, and only then
//! acknowledges each record. A sync costs the same for one record as for a thousand, so the busier the run, the cheaper
//! a record.

use std::{
    fs::File,
    io::Write,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        mpsc::{self, Receiver, SyncSender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    frame,
    lock::{LockError, lock},
    read::LogError,
    record::Record,
    storage::StorageError,
    tail,
};

/// Records that may wait for the writer; whoever appends more waits too.
const QUEUE_RECORDS: usize = 4096;

/// A batch is closed when it is this long, so that no acknowledgement waits for more than that.
const BATCH_BYTES: usize = 4 << 20;

/// How long a process waits for its turn to append to a log that others append to as well.
const TURN: Duration = Duration::from_secs(30);

/// Why a record was not made durable. The run must end as a harness error: what it did can no longer be proven.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The record would not read back from JSON.
    #[error("the record of `{cell}` does not survive being written as JSON: {reason}; this is a defect of the harness")]
    Unwritable {
        /// The cell's name.
        cell: String,
        /// What the serialiser or the reader said.
        reason: String,
    },
    /// The log cannot be written or synced. After a failed sync nobody knows what reached the disk, so that the log
    /// takes no further record.
    #[error(transparent)]
    Storage(Arc<StorageError>),
    /// The shared log cannot be had for writing.
    #[error(transparent)]
    Lock(Arc<LockError>),
    /// The shared log cannot be continued.
    #[error(transparent)]
    Log(Arc<LogError>),
    /// The writer is gone.
    #[error("the writer of the record log has stopped; this is a defect of the harness")]
    WriterStopped,
}

impl From<StorageError> for AppendError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

impl From<LockError> for AppendError {
    fn from(error: LockError) -> Self {
        Self::Lock(Arc::new(error))
    }
}

impl From<LogError> for AppendError {
    fn from(error: LogError) -> Self {
        Self::Log(Arc::new(error))
    }
}

/// Who else appends to the file.
pub(super) enum Access {
    /// Nobody: this handle holds the lock from here on.
    Exclusive {
        /// The number that the next record gets.
        next_sequence: u64,
    },
    /// Other processes, in turns: the lock is taken for each batch.
    Shared,
}

type Acknowledge = Box<dyn FnOnce(Result<u64, AppendError>) + Send>;

struct Job {
    body: String,
    acknowledge: Acknowledge,
}

/// An open record log. Dropping it waits for everything that was appended.
pub struct RecordLog {
    jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
    failure: Arc<OnceLock<AppendError>>,
}

impl RecordLog {
    /// Starts the writer on a file opened for reading and appending.
    pub(super) fn start(file: File, path: PathBuf, access: Access) -> Result<Self, StorageError> {
        let (jobs, queue) = mpsc::sync_channel(QUEUE_RECORDS);
        let failure = Arc::new(OnceLock::new());
        let spawned = thread::Builder::new().name("record-log".to_owned()).spawn({
            let failure = Arc::clone(&failure);
            let appender = Appender { file, path: path.clone(), access, lines: Vec::new() };
            move || appender.serve(&queue, &failure)
        });
        let writer = spawned.map_err(StorageError::at("start the writer of", &path))?;
        Ok(Self { jobs: Some(jobs), writer: Some(writer), failure })
    }

    /// Appends a record and waits until it is durable. Returns its sequence number.
    pub fn append(&self, record: &Record) -> Result<u64, AppendError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.append_then(record, move |result| {
            // The receiver waits two lines further down; only a panic there could have taken it away.
            let _ = answer.send(result);
        });
        answered.recv().unwrap_or(Err(AppendError::WriterStopped))
    }

    /// Appends a record and returns at once, unless very many are waiting already. `acknowledge` is called exactly once,
    /// with the record's sequence number when it is durable.
    ///
    /// Acknowledgements come in the order of the log, from the writer's thread: they should be brief, must not append,
    /// and must not panic. One that is dropped uncalled means the same as [`AppendError::WriterStopped`].
    pub fn append_then(&self, record: &Record, acknowledge: impl FnOnce(Result<u64, AppendError>) + Send + 'static) {
        let body = match to_json(record) {
            Ok(body) => body,
            Err(error) => {
                let cell = record.cell.name.clone();
                return acknowledge(Err(AppendError::Unwritable { cell, reason: error.to_string() }));
            }
        };
        let job = Job { body, acknowledge: Box::new(acknowledge) };
        match &self.jobs {
            Some(jobs) => {
                if let Err(mpsc::SendError(job)) = jobs.send(job) {
                    (job.acknowledge)(Err(AppendError::WriterStopped));
                }
            }
            None => (job.acknowledge)(Err(AppendError::WriterStopped)),
        }
    }

    /// The first failure, if there was one. A run that sees one must not end as if all were well.
    pub fn failure(&self) -> Option<AppendError> {
        self.failure.get().cloned()
    }

    /// Waits for everything that was appended, and says whether all of it is durable.
    pub fn close(mut self) -> Result<(), AppendError> {
        if self.join().is_err() {
            return Err(AppendError::WriterStopped);
        }
        self.failure().map_or(Ok(()), Err)
    }

    fn join(&mut self) -> thread::Result<()> {
        self.jobs = None;
        self.writer.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Drop for RecordLog {
    fn drop(&mut self) {
        // A panic of the writer was told to everybody who appended.
        let _ = self.join();
    }
}

/// A record as JSON that reads back. JSON has no NaN and no infinity, and the serialiser writes `null` for them: where a
/// number is needed, such a record would be acknowledged and then be unreadable.
fn to_json(record: &Record) -> serde_json::Result<String> {
    let body = serde_json::to_string(record)?;
    serde_json::from_str::<Record>(&body)?;
    Ok(body)
}

/// What the writer's thread owns.
struct Appender {
    file: File,
    path: PathBuf,
    access: Access,
    lines: Vec<u8>,
}

impl Appender {
    /// Writes batches until nobody can append any more.
    fn serve(mut self, queue: &Receiver<Job>, failure: &OnceLock<AppendError>) {
        while let Ok(first) = queue.recv() {
            let batch = fill_batch(first, queue);
            let result = match failure.get() {
                Some(error) => Err(error.clone()),
                None => self.write(&batch),
            };
            if let Err(error) = &result {
                failure.get_or_init(|| error.clone());
            }
            for (job, place) in batch.into_iter().zip(0..) {
                (job.acknowledge)(result.clone().map(|first: u64| first + place));
            }
        }
    }

    /// Makes a batch durable. Returns the sequence number of its first record.
    fn write(&mut self, batch: &[Job]) -> Result<u64, AppendError> {
        match &mut self.access {
            Access::Exclusive { next_sequence } => {
                let first = *next_sequence;
                *next_sequence += batch.len() as u64;
                self.append(batch, first)
            }
            Access::Shared => {
                lock(&self.file, &self.path, TURN)?;
                let result = tail::next_sequence(&self.file, &self.path)
                    .map_err(AppendError::from)
                    .and_then(|first| self.append(batch, first));
                self.file.unlock().map_err(StorageError::at("unlock", &self.path))?;
                result
            }
        }
    }

    fn append(&mut self, batch: &[Job], first: u64) -> Result<u64, AppendError> {
        self.lines.clear();
        for (job, sequence) in batch.iter().zip(first..) {
            frame::encode(sequence, &job.body, &mut self.lines);
        }
        self.file.write_all(&self.lines).map_err(StorageError::at("append to", &self.path))?;
        self.file.sync_data().map_err(StorageError::at("sync", &self.path))?;
        Ok(first)
    }
}

/// Takes what has queued up, without waiting for more.
fn fill_batch(first: Job, queue: &Receiver<Job>) -> Vec<Job> {
    let mut bytes = first.body.len();
    let mut batch = vec![first];
    while bytes < BATCH_BYTES {
        let Ok(job) = queue.try_recv() else { break };
        bytes += job.body.len();
        batch.push(job);
    }
    batch
}

#[cfg(test)]
mod tests {
    use std::{
        fs::OpenOptions,
        io,
        sync::atomic::{AtomicU32, Ordering},
    };

    use robocache_core::{dtype::DType, parameters::Parameters, random::Seed};

    use super::*;
    use crate::{
        cell::{Cell, Device, Input, Limits},
        dataset::Expectation,
        suites::{AccuracySettings, SuiteSettings},
        verdict::Verdict,
    };

    fn record() -> Record {
        Record {
            cell: Cell {
                name: "a cell".to_owned(),
                suite: SuiteSettings::Accuracy(AccuracySettings { random_problems: 0 }),
                operator: "resample".to_owned(),
                device: Device::Cpu,
                dtype: DType::F32,
                parameters: Parameters::default(),
                input: Input::Recorded("scan".to_owned()),
                seed: Seed::root(1),
                expect: Expectation::Accepted,
                limits: Limits { deadline_ms: 1, memory_bytes: None, fresh_process: false },
            },
            attempt: 1,
            started: jiff::Timestamp::UNIX_EPOCH,
            elapsed_ms: 0.0,
            program_hash: String::new(),
            subject_hash: None,
            outcome: None,
            verdict: Verdict::Pass,
            bundle: None,
        }
    }

    fn log(path: &str, access: Access) -> RecordLog {
        let file = OpenOptions::new().read(true).append(true).open(path).unwrap();
        RecordLog::start(file, path.into(), access).unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_fails_every_record_from_then_on_and_the_run() {
        let log = log("/dev/full", Access::Exclusive { next_sequence: 0 });
        for _ in 0..2 {
            let error = log.append(&record()).unwrap_err();
            let AppendError::Storage(storage) = &error else { panic!("{error}") };
            assert_eq!(storage.source.kind(), io::ErrorKind::StorageFull);
            assert!(error.to_string().contains("/dev/full") && error.to_string().contains("--resume"), "{error}");
        }
        let told = Arc::new(AtomicU32::new(0));
        log.append_then(&record(), {
            let told = Arc::clone(&told);
            move |result| {
                assert!(result.is_err());
                told.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert!(log.close().is_err(), "a run that lost a record ended as if all were well");
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_record_that_would_not_read_back_is_not_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.jsonl");
        std::fs::write(&path, "").unwrap();
        let log = log(path.to_str().unwrap(), Access::Exclusive { next_sequence: 0 });
        let result = log.append(&Record { elapsed_ms: f64::NAN, ..record() });
        assert!(matches!(result, Err(AppendError::Unwritable { .. })), "{result:?}");
        assert_eq!(log.append(&record()).unwrap(), 0);
        log.close().unwrap();
    }
}
