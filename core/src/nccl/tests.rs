//! Ranks on real GPUs: threads of one process with a GPU each.
//!
//! Each test runs in a process of its own: NCCL reads its environment once, and a rank that hangs must not hang the others.

use std::{
    env,
    path::Path,
    process::Command,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Nccl, NcclId};
use crate::{
    collective::{Collective, Origin, Pattern, Patterned, Reduction, Transfer},
    communicator::{
        Announcement, Cause, Communicator, CommunicatorError, Loss, Memory, Patience, Piece, Referee, Step, Unwatched,
    },
    cuda::{Device, DeviceBuffer, device_count},
    dtype::DType,
};

/// Names the file that a test writes in its own process once it has passed.
const OWN_PROCESS: &str = "ROBOCACHE_TEST_IN_OWN_PROCESS";

/// The longest that a test may take there.
const LIMIT: Duration = Duration::from_secs(300);

/// The longest that a rank may take to find out what is wrong, beyond its deadline.
const PROMPT: Duration = Duration::from_secs(15);

/// Runs `body` in a process of its own: this program, asked for the test of this name.
fn in_own_process(name: &str, body: impl FnOnce()) {
    if let Some(passed) = env::var_os(OWN_PROCESS) {
        body();
        return std::fs::write(passed, name).unwrap();
    }
    let _alone = crate::cuda::alone();
    let folder = tempfile::tempdir().unwrap();
    let passed = folder.path().join("passed");
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", &format!("nccl::tests::{name}"), "--include-ignored", "--nocapture"])
        .env(OWN_PROCESS, &passed)
        .env("NCCL_NVLS_ENABLE", "0")
        .env_remove("NCCL_COMM_BLOCKING")
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{name} did not end within {LIMIT:?}");
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success() && Path::exists(&passed), "{name}: {status}");
}

fn patience(seconds: u64) -> Patience {
    Patience { deadline: Duration::from_secs(seconds), referee: Arc::new(Unwatched) }
}

/// Every rank of a communicator in a thread of its own, rank `r` on GPU `r`.
fn on_every_rank(world: usize, patience: &Patience, body: impl Fn(Nccl) + Sync) {
    let gpus = device_count().unwrap();
    assert!(gpus >= world, "{world} GPUs are needed, but there are {gpus}");
    let id = NcclId::new().unwrap();
    thread::scope(|scope| {
        for rank in 0..world {
            let (body, patience) = (&body, patience.clone());
            scope.spawn(move || {
                let device = Device::open(rank).unwrap();
                body(Nccl::join(&device, rank, world, &id, patience).unwrap());
            });
        }
    });
}

/// A transfer whose buffers are aligned to 8 bytes and no more, and how much memory it needs: the receive buffer lies
/// behind the send buffer, and 8 bytes behind each.
fn apart(collective: Collective, dtype: DType, block: usize, world: usize) -> (Transfer, usize) {
    let bytes = |elements: usize| (elements * dtype.size_bytes()).next_multiple_of(8) + 8;
    let receive_offset = 8 + bytes(collective.sent_elements(block, world));
    let whole = receive_offset + bytes(collective.received_elements(block, world));
    (Transfer { collective, dtype, block, root: world - 1, send_offset: 8, receive_offset }, whole)
}

/// Does a transfer in some way and looks at everything that it received.
fn verify<M: Patterned>(
    nccl: &mut Nccl,
    memory: &mut M,
    transfer: &Transfer,
    whole: usize,
    way: impl FnOnce(&mut Nccl, &mut M, &Transfer) -> Result<(), CommunicatorError>,
) {
    let (rank, world) = (nccl.rank(), nccl.world());
    let pattern = Pattern::of(transfer, world, 0xC0FF_EE00 + transfer.block as u64);
    let name = format!("{} of {} {} on rank {rank} of {world}", transfer.collective, transfer.block, transfer.dtype);
    memory.poison(0, whole, 0xA5).unwrap();
    memory.fill(transfer.send_offset, pattern.sent_elements(), &pattern, pattern.sent(rank)).unwrap();
    way(nccl, memory, transfer).unwrap_or_else(|error| panic!("{name}: {error}"));
    if transfer.collective.receives(rank, transfer.root) {
        let elements = pattern.received_elements();
        let wrong = memory.check(transfer.receive_offset, elements, &pattern, pattern.received(rank)).unwrap();
        assert!(wrong.is_none(), "{name}: {}", wrong.unwrap());
        let end = transfer.receive_offset + elements * transfer.dtype.size_bytes();
        let mut behind = [0; 2];
        if end + behind.len() <= whole && transfer.receive_offset > transfer.send_offset {
            memory.read(end, &mut behind).unwrap();
            assert_eq!(behind, [0xA5; 2], "{name}: behind the receive buffer");
        }
    }
}

/// Everything that a communicator does, on one rank.
fn everything(mut nccl: Nccl) {
    let (rank, world) = (nccl.rank(), nccl.world());
    const BLOCKS: [usize; 4] = [0, 1, 1000, 100_003];
    let mut memory = nccl.allocate(2 * (8 * BLOCKS[3] * world + 24)).unwrap();
    let enqueue_on = |stream| {
        move |nccl: &mut Nccl, memory: &mut _, transfer: &Transfer| {
            nccl.enqueue(memory, transfer, stream)?;
            nccl.wait()
        }
    };
    for (collective, dtype) in Collective::all().flat_map(|one| DType::ALL.map(|dtype| (one, dtype))) {
        for (position, block) in BLOCKS.into_iter().enumerate() {
            let (transfer, whole) = apart(collective, dtype, block, world);
            verify(&mut nccl, &mut memory, &transfer, whole, enqueue_on(position % 2));
            verify(&mut nccl, &mut memory, &transfer, whole, |nccl, memory, transfer| {
                assert!(nccl.replay(memory, transfer, 3)?);
                Ok(())
            });
            if let Some(in_place) = transfer.in_place(rank, world) {
                verify(&mut nccl, &mut memory, &in_place, whole, enqueue_on(1 - position % 2));
            }
        }
        let (transfer, whole) = apart(collective, dtype, 1000, world);
        verify(&mut nccl, &mut memory, &transfer, whole, |nccl, memory, transfer| {
            let seconds = nccl.time(memory, transfer, 5)?;
            assert!(seconds > 0.0 && seconds < 1.0, "{seconds}");
            Ok(())
        });
    }
    in_order_over_streams(&mut nccl);
    exchange(&mut nccl);
    refuses_what_no_rank_can_do(&mut nccl);
    drop(memory);
    nccl.finalise().unwrap();
}

/// What one stream sends on is what the other has received.
fn in_order_over_streams(nccl: &mut Nccl) {
    let block = 1 << 20;
    let bytes = 4 * block;
    let mut memory = nccl.allocate(3 * bytes).unwrap();
    let broadcast = Transfer {
        collective: Collective::Broadcast,
        dtype: DType::I32,
        block,
        root: nccl.world() - 1,
        send_offset: 0,
        receive_offset: bytes,
    };
    let onwards =
        Transfer { collective: Collective::SendReceive, send_offset: bytes, receive_offset: 2 * bytes, ..broadcast };
    for round in 0..20 {
        let pattern = Pattern::of(&broadcast, nccl.world(), round);
        memory.fill(0, block, &pattern, pattern.sent(nccl.rank())).unwrap();
        memory.poison(bytes, 2 * bytes, 0xA5).unwrap();
        nccl.enqueue(&mut memory, &broadcast, 0).unwrap();
        nccl.enqueue(&mut memory, &onwards, 1).unwrap();
        nccl.wait().unwrap();
        let of_root = Origin::Rank { rank: broadcast.root, first: 0 };
        assert_eq!(memory.check(2 * bytes, block, &pattern, of_root).unwrap(), None, "round {round}");
    }
}

/// Pieces of every size go between all ranks, two between each pair, and to the rank itself.
fn exchange(nccl: &mut Nccl) {
    let (rank, world) = (nccl.rank(), nccl.world());
    let size = |from: usize, to: usize, part: usize| match part {
        0 => 1 + 37 * from + 11 * to,
        _ => 1000 * ((from + to) % 3),
    };
    let byte = |from: usize, to: usize, part: usize| (1 + from + 16 * to + 100 * part) as u8;
    let lay_out = |end: &mut usize, sizes: &mut dyn Iterator<Item = (usize, usize)>| -> Vec<Piece> {
        sizes
            .map(|(peer, bytes)| {
                let offset = *end;
                *end += bytes;
                Piece { peer, offset, bytes }
            })
            .collect()
    };
    let pairs = || (0..world).flat_map(|peer| [(peer, 0), (peer, 1)]);
    let mut end = 3;
    let sent = lay_out(&mut end, &mut pairs().map(|(peer, part)| (peer, size(rank, peer, part))));
    let received = lay_out(&mut end, &mut pairs().map(|(peer, part)| (peer, size(peer, rank, part))));
    let mut memory = nccl.allocate(end).unwrap();
    memory.poison(0, end, 0xA5).unwrap();
    for ((peer, part), piece) in pairs().zip(&sent) {
        memory.write(piece.offset, &vec![byte(rank, peer, part); piece.bytes]).unwrap();
    }
    nccl.exchange(&mut memory, &sent, &received).unwrap();
    for ((peer, part), piece) in pairs().zip(&received) {
        let mut bytes = vec![0; piece.bytes];
        memory.read(piece.offset, &mut bytes).unwrap();
        assert!(bytes.iter().all(|&found| found == byte(peer, rank, part)), "part {part} from {peer} to {rank}");
    }
    nccl.exchange(&mut memory, &[], &[]).unwrap();
}

/// Errors of whoever asks leave the communicator as it was.
fn refuses_what_no_rank_can_do(nccl: &mut Nccl) {
    let mut memory = nccl.allocate(64).unwrap();
    let (transfer, _) = apart(Collective::Broadcast, DType::F32, 1, 1);
    let rootless = Transfer { root: nccl.world(), ..transfer };
    assert!(matches!(nccl.enqueue(&mut memory, &rootless, 0), Err(CommunicatorError::NcclUnusable(_))));
    assert!(matches!(nccl.time(&mut memory, &transfer, 0), Err(CommunicatorError::Unsupported(_))));
    let nobody = Piece { peer: nccl.world(), offset: 0, bytes: 1 };
    assert!(matches!(nccl.exchange(&mut memory, &[nobody], &[]), Err(CommunicatorError::NcclUnusable(_))));
    nccl.enqueue(&mut memory, &transfer, 0).unwrap();
    nccl.wait().unwrap();
}

#[test]
#[ignore = "needs an NVIDIA GPU and NCCL"]
fn a_rank_alone_does_everything() {
    in_own_process("a_rank_alone_does_everything", || on_every_rank(1, &patience(60), everything));
}

#[test]
#[ignore = "needs 2 NVIDIA GPUs and NCCL"]
fn ranks_do_everything_together() {
    in_own_process("ranks_do_everything_together", || {
        let most = device_count().unwrap().clamp(2, 4);
        for world in 2..=most {
            on_every_rank(world, &patience(60), everything);
        }
    });
}

#[test]
#[ignore = "needs an NVIDIA GPU and NCCL"]
fn a_rank_that_never_comes_is_not_waited_for_beyond_the_deadline() {
    in_own_process("a_rank_that_never_comes_is_not_waited_for_beyond_the_deadline", || {
        let device = Device::open(0).unwrap();
        let begin = Instant::now();
        let error = Nccl::join(&device, 0, 2, &NcclId::new().unwrap(), patience(3)).err().unwrap();
        let at = Announcement { sequence: 0, step: Step::Initialise };
        assert!(matches!(&error, CommunicatorError::DeadlineExceeded { at: found, .. } if *found == at), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(3) + PROMPT, "{:?}", begin.elapsed());
        DeviceBuffer::new(device.context(), 1 << 20).unwrap();
        device.context().synchronize().unwrap();
    });
}

/// Elements that two ranks reduce where one of them does not come.
const LONELY: usize = 16 << 20;

/// Two ranks that do one step together; to the next one only rank 0 comes, where `body` is called after it was enqueued.
fn alone_in_a_step(patience: &Patience, body: impl Fn(Nccl, super::NcclMemory, &Transfer) + Sync) {
    let over = Barrier::new(2);
    on_every_rank(2, patience, |mut nccl| {
        let (transfer, whole) = apart(Collective::AllReduce(Reduction::Sum), DType::F32, LONELY, 2);
        let mut memory = nccl.allocate(whole).unwrap();
        verify(&mut nccl, &mut memory, &transfer, whole, |nccl, memory, transfer| {
            nccl.enqueue(memory, transfer, 0)?;
            nccl.wait()
        });
        if nccl.rank() == 0 {
            nccl.enqueue(&mut memory, &transfer, 0).unwrap();
            let begin = Instant::now();
            body(nccl, memory, &transfer);
            assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
        }
        over.wait();
    });
}

/// The step that rank 0 comes to alone.
fn is_lonely(at: &Announcement) -> bool {
    at.sequence == 2 && matches!(at.step, Step::Collective { block: LONELY, .. })
}

#[test]
#[ignore = "needs 2 NVIDIA GPUs and NCCL"]
fn an_abort_from_another_thread_ends_the_wait_and_frees_the_memory() {
    in_own_process("an_abort_from_another_thread_ends_the_wait_and_frees_the_memory", || {
        alone_in_a_step(&patience(120), |mut nccl, mut memory, transfer| {
            let abort = nccl.abort_handle();
            let waited = thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(500));
                    abort.abort();
                    abort.clone().abort();
                });
                nccl.wait()
            });
            assert!(matches!(&waited, Err(CommunicatorError::GivenUp { at }) if is_lonely(at)), "{waited:?}");
            let refused = nccl.enqueue(&mut memory, transfer, 0);
            assert!(matches!(&refused, Err(CommunicatorError::GivenUp { at }) if is_lonely(at)), "{refused:?}");
            assert!(matches!(nccl.allocate(1), Err(CommunicatorError::GivenUp { .. })));
            let context = nccl.device().context().clone();
            let bytes = memory.bytes();
            let (free, _) = context.memory().unwrap();
            drop(memory);
            drop(nccl);
            context.synchronize().unwrap();
            let (free_now, _) = context.memory().unwrap();
            assert!(free_now >= free + bytes / 2, "{free} bytes were free and {free_now} are, of {bytes}");
        });
    });
}

#[test]
#[ignore = "needs 2 NVIDIA GPUs and NCCL"]
fn a_lost_rank_ends_the_wait_of_the_others() {
    /// Rank 1 is lost once somebody says so.
    struct Watched(AtomicBool);
    impl Referee for Watched {
        fn enter(&self, _: Announcement) -> Result<(), Loss> {
            Ok(())
        }
        fn leave(&self) {}
        fn loss(&self) -> Option<Loss> {
            let at = Announcement { sequence: 2, step: Step::Exchange };
            self.0.load(Ordering::Relaxed).then_some(Loss { rank: 1, cause: Cause::Silent, at })
        }
    }
    in_own_process("a_lost_rank_ends_the_wait_of_the_others", || {
        let watched = Arc::new(Watched(AtomicBool::new(false)));
        let patience = Patience { deadline: Duration::from_secs(120), referee: watched.clone() };
        alone_in_a_step(&patience, |mut nccl, memory, _| {
            let waited = thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(500));
                    watched.0.store(true, Ordering::Relaxed);
                });
                nccl.wait()
            });
            assert!(matches!(waited, Err(CommunicatorError::Lost(Loss { rank: 1, .. }))), "{waited:?}");
            let refused = nccl.wait();
            assert!(matches!(&refused, Err(CommunicatorError::GivenUp { at }) if is_lonely(at)), "{refused:?}");
            drop(memory);
        });
    });
}

#[test]
#[ignore = "needs 2 NVIDIA GPUs and NCCL"]
fn memory_that_is_still_worked_on_can_be_dropped() {
    in_own_process("memory_that_is_still_worked_on_can_be_dropped", || {
        alone_in_a_step(&patience(120), |mut nccl, memory, _| {
            drop(memory);
            let waited = nccl.wait();
            assert!(matches!(&waited, Err(CommunicatorError::GivenUp { at }) if is_lonely(at)), "{waited:?}");
        });
    });
}
