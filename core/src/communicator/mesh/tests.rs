use std::{
    io::Write,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    collective::{Pattern, Patterned, Reduction},
    communicator::{Cause, Loss, Memory, Unwatched},
    dtype::DType,
};

fn patience(deadline_ms: u64) -> Patience {
    Patience { deadline: Duration::from_millis(deadline_ms), referee: Arc::new(Unwatched) }
}

/// What `work` gives on each of so many ranks, each in its thread.
fn on_ranks<T: Send>(world: usize, deadline_ms: u64, work: impl Fn(Mesh) -> T + Sync) -> Vec<T> {
    let ranks = Mesh::in_process(world, |_| patience(deadline_ms)).unwrap();
    thread::scope(|scope| {
        let threads: Vec<_> = ranks.into_iter().map(|rank| scope.spawn(|| work(rank))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

const POISON: u8 = 0xE5;

/// Does a transfer with a pattern in it, and checks all of its rank's memory.
fn verified(mesh: &mut Mesh, memory: &mut HostMemory, transfer: &Transfer, seed: u64) {
    let (rank, world) = (mesh.rank(), mesh.world());
    let pattern = Pattern::of(transfer, world, seed);
    let (sent, received) = mesh.buffers(memory, transfer);
    let bytes = memory.bytes();
    memory.poison(0, bytes, POISON).unwrap();
    memory.fill(sent.start, pattern.sent_elements(), &pattern, pattern.sent(rank)).unwrap();
    mesh.enqueue(memory, transfer, 0).unwrap();
    mesh.wait().unwrap();
    if transfer.collective.receives(rank, transfer.root) {
        let elements = pattern.received_elements();
        let mismatch = memory.check(received.start, elements, &pattern, pattern.received(rank)).unwrap();
        assert_eq!(mismatch, None, "rank {rank} of {world}: {transfer:?}");
    }
    let outside = |at: &usize| !sent.contains(at) && !received.contains(at);
    let kept = (0..bytes).filter(outside).all(|at| memory.as_slice()[at] == POISON);
    assert!(kept, "rank {rank} of {world} wrote beside its buffers: {transfer:?}");
}

fn every_transfer(world: usize) {
    on_ranks(world, 60_000, |mut mesh| {
        let mut memory = mesh.allocate((2 * 5000 * world + 32) * 8).unwrap();
        for collective in Collective::all() {
            for dtype in DType::ALL {
                for (position, block) in [0, 1, 17, 5000].into_iter().enumerate() {
                    let size = dtype.size_bytes();
                    let behind = size * (collective.sent_elements(block, world) + 3);
                    let root = (position + 1) % world;
                    let plain = Transfer { collective, dtype, block, root, send_offset: 0, receive_offset: behind };
                    let misaligned = Transfer { send_offset: size, receive_offset: behind + size, ..plain };
                    let in_place = plain.in_place(mesh.rank(), world);
                    let misaligned_in_place = misaligned.in_place(mesh.rank(), world);
                    for transfer in [Some(plain), Some(misaligned), in_place, misaligned_in_place].into_iter().flatten()
                    {
                        verified(&mut mesh, &mut memory, &transfer, 7);
                    }
                }
            }
        }
        mesh.finalise().unwrap();
    });
}

#[test]
fn one_rank_does_every_collective() {
    every_transfer(1);
}

#[test]
fn two_ranks_do_every_collective() {
    every_transfer(2);
}

#[test]
fn three_ranks_do_every_collective() {
    every_transfer(3);
}

#[test]
fn five_ranks_do_every_collective() {
    every_transfer(5);
}

#[test]
fn messages_larger_than_any_socket_buffer_pass_each_other() {
    on_ranks(3, 60_000, |mut mesh| {
        let (rank, elements) = (mesh.rank(), 3_000_000);
        let mut memory = mesh.allocate(4 * elements).unwrap();
        let transfer = Transfer {
            collective: Collective::AllReduce(Reduction::Sum),
            dtype: DType::I32,
            block: elements,
            root: 0,
            send_offset: 0,
            receive_offset: 0,
        };
        let pattern = Pattern::of(&transfer, 3, 1);
        memory.fill(0, elements, &pattern, pattern.sent(rank)).unwrap();
        mesh.enqueue(&mut memory, &transfer, 0).unwrap();
        assert_eq!(memory.check(0, elements, &pattern, pattern.received(rank)).unwrap(), None);
    });
}

#[test]
fn pieces_of_any_size_reach_every_rank_and_the_rank_itself() {
    let world = 3;
    // Rank `from` sends `to` two pieces: of `3 * from + to` bytes, and of none where both are even.
    let sizes = |from: usize, to: usize| [3 * from + to, (from % 2 + to % 2) * 5];
    let content = |from: usize, to: usize, byte: usize| (64 * from + 16 * to + byte) as u8;
    on_ranks(world, 60_000, |mut mesh| {
        let rank = mesh.rank();
        let mut memory = mesh.allocate(400).unwrap();
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        let (mut send_offset, mut receive_offset) = (0, 200);
        for peer in 0..world {
            for (place, bytes) in sizes(rank, peer).into_iter().enumerate() {
                sent.push(Piece { peer, offset: send_offset, bytes });
                let piece: Vec<u8> = (0..bytes).map(|byte| content(rank, peer, byte + 8 * place)).collect();
                memory.write(send_offset, &piece).unwrap();
                send_offset += bytes;
            }
            for bytes in sizes(peer, rank) {
                received.push(Piece { peer, offset: receive_offset, bytes });
                receive_offset += bytes + 1;
            }
        }
        mesh.exchange(&mut memory, &sent, &received).unwrap();
        for (position, piece) in received.iter().enumerate() {
            let expected: Vec<u8> =
                (0..piece.bytes).map(|byte| content(piece.peer, rank, byte + 8 * (position % 2))).collect();
            assert_eq!(memory.as_slice()[piece.offset..][..piece.bytes], expected, "rank {rank}: {piece:?}");
        }
    });
}

fn reduce_of(block: usize) -> Transfer {
    let collective = Collective::AllReduce(Reduction::Sum);
    Transfer { collective, dtype: DType::F32, block, root: 0, send_offset: 0, receive_offset: 0 }
}

#[test]
fn a_timed_collective_takes_time_and_there_are_no_graphs() {
    let seconds = on_ranks(2, 60_000, |mut mesh| {
        let mut memory = mesh.allocate(4000).unwrap();
        assert!(!mesh.replay(&mut memory, &reduce_of(1000), 3).unwrap());
        mesh.time(&mut memory, &reduce_of(1000), 3).unwrap()
    });
    assert!(seconds.iter().all(|&seconds| seconds > 0.0 && seconds < 60.0));
}

#[test]
fn a_rank_that_leaves_ends_the_step_of_the_others() {
    let begin = Instant::now();
    let errors = on_ranks(3, 60_000, |mut mesh| {
        let mut memory = mesh.allocate(4000).unwrap();
        mesh.enqueue(&mut memory, &reduce_of(10), 0).unwrap();
        if mesh.rank() == 1 {
            return None;
        }
        let error = mesh.enqueue(&mut memory, &reduce_of(1000), 0).unwrap_err();
        let given_up = mesh.enqueue(&mut memory, &reduce_of(10), 0).unwrap_err();
        assert!(matches!(given_up, CommunicatorError::GivenUp { at } if at.sequence == 2), "{given_up}");
        Some(error)
    });
    assert!(begin.elapsed() < Duration::from_secs(10));
    for error in errors.into_iter().flatten() {
        assert!(matches!(error, CommunicatorError::Connection { rank: 1, .. }), "{error}");
    }
}

/// What a rank does in one step.
type Act = fn(&mut Mesh, &mut HostMemory) -> Result<(), CommunicatorError>;

#[test]
fn a_rank_that_does_something_else_is_named() {
    let others: [Act; 3] = [
        |mesh, memory| mesh.enqueue(memory, &reduce_of(11), 0),
        |mesh, memory| mesh.enqueue(memory, &Transfer { dtype: DType::I32, ..reduce_of(10) }, 0),
        |mesh, memory| mesh.exchange(memory, &[], &[]),
    ];
    for other in others {
        let begin = Instant::now();
        let errors = on_ranks(4, 60_000, |mut mesh| {
            let mut memory = mesh.allocate(4000).unwrap();
            match mesh.rank() {
                2 => other(&mut mesh, &mut memory),
                _ => mesh.enqueue(&mut memory, &reduce_of(10), 0),
            }
            .unwrap_err()
        });
        assert!(begin.elapsed() < Duration::from_secs(10));
        for (rank, error) in errors.into_iter().enumerate() {
            let CommunicatorError::Lost(Loss { rank: named, cause: Cause::Differs { came_to }, at }) = error else {
                panic!("{error}")
            };
            assert!((rank == 2) != (named == 2) && came_to != at && came_to.sequence == 1, "{rank}: {named}, {at}");
        }
    }
}

#[test]
fn an_exchange_of_other_sizes_is_refused() {
    let errors = on_ranks(2, 60_000, |mut mesh| {
        let mut memory = mesh.allocate(64).unwrap();
        let peer = 1 - mesh.rank();
        let sent = [Piece { peer, offset: 0, bytes: 8 + mesh.rank() }];
        mesh.exchange(&mut memory, &sent, &[Piece { peer, offset: 32, bytes: 8 }])
    });
    let [Err(error), Ok(())] = &errors[..] else { panic!("{errors:?}") };
    assert!(error.to_string().contains("it sends 9 bytes where 8 are received"), "{error}");
}

#[test]
fn a_rank_that_never_comes_ends_the_step_with_the_deadline() {
    let errors = on_ranks(3, 200, |mut mesh| {
        let mut memory = mesh.allocate(4000).unwrap();
        if mesh.rank() == 0 {
            // Alive, but busy until long after.
            thread::sleep(Duration::from_millis(1500));
            return None;
        }
        Some(mesh.enqueue(&mut memory, &reduce_of(1000), 0).unwrap_err())
    });
    for error in errors.into_iter().flatten() {
        assert!(matches!(error, CommunicatorError::DeadlineExceeded { .. }), "{error}");
    }
}

#[test]
fn what_the_referee_knows_wins_over_a_broken_connection() {
    struct Knows(Loss);
    impl crate::communicator::Referee for Knows {
        fn enter(&self, _: Announcement) -> Result<(), Loss> {
            Ok(())
        }
        fn leave(&self) {}
        fn loss(&self) -> Option<Loss> {
            Some(self.0)
        }
    }
    let at = Announcement { sequence: 1, step: Step::Finalise };
    let loss = Loss { rank: 1, cause: Cause::Died, at };
    let mut ranks =
        Mesh::in_process(2, |_| Patience { deadline: Duration::from_secs(60), referee: Arc::new(Knows(loss)) })
            .unwrap();
    drop(ranks.pop());
    let error = ranks.pop().unwrap().finalise().unwrap_err();
    assert!(matches!(error, CommunicatorError::Lost(known) if known == loss), "{error}");
}

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Joins so many ranks, each with its own token and deadline, and lets the given number of them come.
fn joined(world: usize, come: usize, tokens: &[u8], deadline_ms: u64) -> Vec<Result<Mesh, CommunicatorError>> {
    let points: Vec<_> = (0..world).map(|_| MeshPoint::listen(LOCALHOST).unwrap()).collect();
    let addresses: Vec<SocketAddr> = points.iter().map(MeshPoint::address).collect();
    let addresses = &addresses;
    thread::scope(|scope| {
        let threads: Vec<_> = points
            .into_iter()
            .zip(tokens)
            .enumerate()
            .take(come)
            .map(|(rank, (point, &token))| {
                scope.spawn(move || Mesh::join(point, rank, world, addresses, [token; 16], patience(deadline_ms)))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn ranks_of_several_processes_join() {
    for world in [1, 2, 4] {
        let ranks = joined(world, world, &[5; 4], 60_000);
        thread::scope(|scope| {
            for rank in ranks {
                let mut mesh = rank.unwrap();
                scope.spawn(move || {
                    let mut memory = mesh.allocate(4000).unwrap();
                    let transfer = reduce_of(100);
                    let pattern = Pattern::of(&transfer, world, 1);
                    memory.fill(0, 100, &pattern, pattern.sent(mesh.rank())).unwrap();
                    mesh.enqueue(&mut memory, &transfer, 0).unwrap();
                    assert_eq!(memory.check(0, 100, &pattern, pattern.received(0)).unwrap(), None);
                    mesh.finalise().unwrap();
                });
            }
        });
    }
}

#[test]
fn a_wrong_token_is_refused_on_both_sides() {
    let begin = Instant::now();
    for result in joined(3, 3, &[5, 6, 5], 60_000) {
        let error = result.err().expect("nobody can join");
        assert!(matches!(error, CommunicatorError::Connection { .. }), "{error}");
    }
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_rank_that_never_joins_ends_the_attempt_with_the_deadline() {
    for result in joined(3, 2, &[5; 3], 300) {
        let error = result.err().expect("one is missing");
        assert!(
            matches!(error, CommunicatorError::DeadlineExceeded { .. } | CommunicatorError::Connection { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_rank_out_of_range_is_refused_and_other_visitors_are_ignored() {
    let points = [(); 2].map(|()| MeshPoint::listen(LOCALHOST).unwrap());
    let addresses = points.each_ref().map(MeshPoint::address);
    let [first, second] = points;
    let error = Mesh::join(second, 2, 2, &addresses, [5; 16], patience(60_000)).err().unwrap();
    assert!(matches!(error, CommunicatorError::Unsupported(_)), "{error}");

    let mut visitor = TcpStream::connect(addresses[0]).unwrap();
    visitor.write_all(&[0x47; 100]).unwrap();
    let mut stray = TcpStream::connect(addresses[0]).unwrap();
    let mut greeting = b"RCmesh01".to_vec();
    greeting.extend([5; 16]);
    greeting.extend([2_u64, 9, 0].map(u64::to_le_bytes).concat());
    stray.write_all(&greeting).unwrap();
    let begin = Instant::now();
    let error = Mesh::join(first, 0, 2, &addresses, [5; 16], patience(60_000)).err().unwrap();
    assert!(matches!(error, CommunicatorError::Connection { rank: 9, .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10));
}
