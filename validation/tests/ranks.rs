//! Ranks as processes of their own, lost in every way: the others are told which, in which step, and the next task works.
//!
//! This program is both the tests and, as `ranks rank --device cpu`, the ranks.

use std::{
    env, fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use fault_injection::{Moment, RankFault, ScheduledFault};
use libtest_mimic::{Arguments, Failed, Trial};
use robocache_core::{
    collective::{Collective, Pattern, Patterned, Reduction, Transfer},
    communicator::{Announcement, Cause, Communicator, CommunicatorError, Loss, Step},
    dtype::DType,
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use validation::{
    cell::Device,
    ranks::{
        Deadlines, FailureKind, LocalRanks, Performed, RankFailure, RankOutcome, Refusal, SECRET_VARIABLE, Secret,
        Work, WorkError, World, WorldError, serve,
    },
};

const SECRET: &str = "the secret of these tests only";

/// One all-reduce after the other, checked, and what else a rank may do.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Task {
    /// The collective of each step and its block.
    steps: Vec<(Collective, usize)>,
    /// How long the rank sleeps before the first.
    sleep_ms: u64,
    panic: bool,
    /// Whether it cannot talk to another rank, before the first.
    cut_off: bool,
}

struct Collectives;

impl Work for Collectives {
    fn perform<C>(&self, communicator: &mut C, task: &RawValue) -> Result<Box<RawValue>, WorkError>
    where
        C: Communicator,
        C::Memory: Patterned,
    {
        let failed = |error: serde_json::Error| WorkError::Failed(error.to_string());
        let Task { steps, sleep_ms, panic, cut_off } = serde_json::from_str(task.get()).map_err(failed)?;
        assert!(!panic, "asked to");
        thread::sleep(Duration::from_millis(sleep_ms));
        if cut_off {
            let at = Announcement { sequence: 0, step: Step::Initialise };
            return Err(CommunicatorError::Connection { at, rank: 0, message: "cut off".to_owned() }.into());
        }
        let (rank, world) = (communicator.rank(), communicator.world());
        let mut wrong = 0;
        for (collective, block) in steps {
            let sent = collective.sent_elements(block, world) * 4;
            let received = collective.received_elements(block, world) * 4;
            let transfer =
                Transfer { collective, dtype: DType::F32, block, root: 0, send_offset: 0, receive_offset: sent };
            let pattern = Pattern::of(&transfer, world, 7);
            let mut memory = communicator.allocate(sent + received)?;
            memory.fill(0, pattern.sent_elements(), &pattern, pattern.sent(rank))?;
            communicator.enqueue(&mut memory, &transfer, 0)?;
            communicator.wait()?;
            let mismatch = memory.check(sent, pattern.received_elements(), &pattern, pattern.received(rank))?;
            wrong += u32::from(mismatch.is_some());
        }
        to_raw_value(&(rank, wrong)).map_err(failed)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["rank", "--device", "cpu"] => be_rank(Device::Cpu),
        ["rank", "--device", "cuda"] => be_rank(Device::Cuda),
        ["lead", word] => lead(word),
        _ => {
            let mut trials = vec![
                Trial::test("ranks_do_one_task_after_the_other", tasks),
                Trial::test("a_world_leaves_no_process", end_of_a_world),
                Trial::test("ranks_end_with_their_leader", end_of_a_leader),
                Trial::test("a_rank_that_panics_is_named_and_replaced_by_none", panics),
                Trial::test("a_rank_that_is_late_is_named", late),
                Trial::test("a_rank_that_fails_alone_is_named", cut_off),
                Trial::test("a_fault_that_cannot_be_is_refused", impossible_faults),
                Trial::test("a_wrong_secret_is_refused", || refused(Wrong::Secret)),
                Trial::test("a_rank_that_is_late_to_a_refusal_is_told", late_to_a_refusal),
                Trial::test("a_rank_out_of_range_or_without_a_secret_says_so", unfit),
                Trial::test("a_rank_of_another_world_is_refused", || refused(Wrong::World)),
                Trial::test("a_rank_that_is_taken_is_refused", || refused(Wrong::Taken)),
                Trial::test("a_rank_without_its_gpu_ends_all", without_gpu),
                Trial::test("missing_ranks_are_named_and_the_others_end", missing),
                Trial::test("a_port_in_use_is_said", port_in_use),
                Trial::test("strangers_hold_nobody_up", strangers),
                Trial::test("a_leader_without_the_secret_is_not_obeyed", impostor),
            ];
            trials.extend(RankFault::all().flat_map(|fault| {
                [2, 4].map(|world| Trial::test(format!("{fault}_of_{world}"), move || survive(fault, world)))
            }));
            libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
        }
    }
}

fn be_rank(device: Device) -> ExitCode {
    match serve(&Collectives, device, None) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rank: {error}");
            error.exit().into()
        }
    }
}

fn local(world: usize) -> LocalRanks {
    LocalRanks {
        program: "/proc/self/exe".into(),
        arguments: vec!["rank".into()],
        device: Device::Cpu,
        world,
        gpus: Vec::new(),
        deadlines: Deadlines::default(),
    }
}

const SUM: Collective = Collective::AllReduce(Reduction::Sum);

fn sums(steps: usize) -> Task {
    Task { steps: vec![(SUM, 1000); steps], sleep_ms: 0, panic: false, cut_off: false }
}

fn pids(world: &World) -> Vec<u32> {
    world.presences().map(|presence| presence.pid).collect()
}

fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|state| !state.contains(") Z "))
}

fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<(), Failed> {
    let begin = Instant::now();
    while !condition() {
        if begin.elapsed() > limit {
            return Err(format!("not within {limit:?}: {what}").into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Has all ranks do three steps, which must go well.
fn works(world: &mut World) -> Result<(), Failed> {
    let performed: Performed<(usize, u32)> = world.perform(|_| sums(3), None)?;
    for (rank, end) in performed.ends.iter().enumerate() {
        assert_eq!((end.rank, &end.outcome), (rank, &RankOutcome::Reported((rank, 0))));
    }
    assert_eq!((performed.ends.len(), performed.firing, performed.loss), (world.world(), None, None));
    Ok(())
}

fn tasks() -> Result<(), Failed> {
    let mut world = World::gather(local(3))?;
    let first = pids(&world);
    works(&mut world)?;
    works(&mut world)?;
    assert_eq!(world.part()?.len(), 3);
    assert!(world.part()?.is_empty(), "there is nothing to part from");
    works(&mut world)?;
    assert!(world.is_sound());
    assert_eq!(pids(&world), first, "all were kept warm");
    Ok(())
}

fn end_of_a_world() -> Result<(), Failed> {
    let mut world = World::gather(local(2))?;
    works(&mut world)?;
    let pids = pids(&world);
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    drop(world);
    assert!(!pids.iter().any(|pid| is_alive(*pid)));
    Ok(())
}

/// What survivors of a fault must be told.
fn expected(fault: RankFault, victim: usize) -> Loss {
    let all_reduce = |sequence, block| {
        let step = Step::Collective { collective: SUM, dtype: DType::F32, block, root: 0, repeats: 1 };
        Announcement { sequence, step }
    };
    let at = match fault {
        RankFault::Killed(Moment::Between | Moment::Inside)
        | RankFault::Stopped(Moment::Between | Moment::Inside)
        | RankFault::GaveUp(Moment::Between | Moment::Inside)
        | RankFault::OtherCollective
        | RankFault::OtherSize => all_reduce(2, 1000),
        RankFault::Killed(Moment::BeforeInitialisation | Moment::InInitialisation)
        | RankFault::Stopped(Moment::BeforeInitialisation | Moment::InInitialisation)
        | RankFault::GaveUp(Moment::BeforeInitialisation | Moment::InInitialisation)
        | RankFault::NoInvitation => Announcement { sequence: 0, step: Step::Initialise },
    };
    let cause = match fault {
        RankFault::Killed(_) => Cause::Died,
        RankFault::Stopped(_) => Cause::Silent,
        RankFault::GaveUp(_) => Cause::Failed,
        RankFault::OtherSize => Cause::Differs { came_to: all_reduce(2, 999) },
        RankFault::OtherCollective => {
            let collective = Collective::AllReduce(Reduction::Max);
            let step = Step::Collective { collective, dtype: DType::F32, block: 1000, root: 0, repeats: 1 };
            Cause::Differs { came_to: Announcement { sequence: 2, step } }
        }
        RankFault::NoInvitation => Cause::Late,
    };
    Loss { rank: victim, cause, at }
}

fn survive(fault: RankFault, size: usize) -> Result<(), Failed> {
    let victim = if fault == RankFault::NoInvitation { 0 } else { size - 1 };
    let mut world = World::gather(local(size))?;
    works(&mut world)?;
    let before = pids(&world);
    let task = |rank| {
        let mut task = sums(3);
        match fault {
            RankFault::OtherCollective if rank == victim => task.steps[1].0 = Collective::AllReduce(Reduction::Max),
            RankFault::OtherSize if rank == victim => task.steps[1].1 = 999,
            _ => {}
        }
        task
    };
    let begin = Instant::now();
    let scheduled = ScheduledFault { victim, fault, sequence: 2 };
    let performed: Performed<(usize, u32)> = world.perform(task, Some(scheduled))?;
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(performed.firing.is_some(), "the fault did not happen");
    let loss = expected(fault, victim);
    let detection = performed.loss.ok_or("nobody was found to be lost")?;
    assert_eq!(detection.loss, loss);
    assert!(detection.elapsed_ms < 15_000);
    for end in &performed.ends {
        match (&end.outcome, fault) {
            (RankOutcome::Died { signal, exit_code: None }, RankFault::Killed(_)) if end.rank == victim => {
                assert_eq!(*signal, Some(9));
            }
            (RankOutcome::Silent, RankFault::Stopped(_)) if end.rank == victim => {}
            (RankOutcome::Failed(failure), _) => {
                assert_eq!(failure.loss, Some(loss), "{failure:?}");
                assert!(end.elapsed_ms < 15_000);
            }
            (outcome, _) => return Err(format!("rank {} ended as {outcome:?}", end.rank).into()),
        }
    }
    println!("{fault} of {size}: {loss}, found after {} ms", detection.elapsed_ms);
    let is_gone = matches!(fault, RankFault::Killed(_) | RankFault::Stopped(_));
    assert_eq!(world.is_sound(), !is_gone);
    assert_eq!(is_alive(before[victim]), !is_gone);
    works(&mut world)?;
    let after = pids(&world);
    assert_eq!(before[victim] == after[victim], !is_gone);
    let kept = (0..size).filter(|rank| *rank != victim);
    assert!(kept.into_iter().all(|rank| before[rank] == after[rank]), "survivors are kept");
    drop(world);
    assert!(!after.iter().chain(&before).any(|pid| is_alive(*pid)), "no process is left");
    Ok(())
}

fn panics() -> Result<(), Failed> {
    let mut world = World::gather(local(2))?;
    let task = |rank| Task { panic: rank == 1, ..sums(2) };
    let performed: Performed<(usize, u32)> = world.perform(task, None)?;
    let failure = |rank: usize| match &performed.ends[rank].outcome {
        RankOutcome::Failed(failure) => failure.clone(),
        other => panic!("{other:?}"),
    };
    let RankFailure { kind, message, .. } = failure(1);
    assert_eq!((kind, message.as_str()), (FailureKind::Panicked, "asked to"));
    assert_eq!(failure(0).loss.map(|loss| (loss.rank, loss.cause)), Some((1, Cause::Failed)));
    works(&mut world)
}

/// While the others wait for it.
fn cut_off() -> Result<(), Failed> {
    let mut world = World::gather(local(3))?;
    let task = |rank| Task { cut_off: rank == 1, ..sums(2) };
    let performed: Performed<(usize, u32)> = world.perform(task, None)?;
    let loss = performed.loss.ok_or("nobody was lost")?.loss;
    assert_eq!((loss.rank, loss.cause, loss.at.sequence), (1, Cause::Failed, 1));
    for end in &performed.ends {
        let kind = if end.rank == 1 { FailureKind::Connection } else { FailureKind::Lost };
        assert!(matches!(&end.outcome, RankOutcome::Failed(failure) if failure.kind == kind), "{end:?}");
        assert!(end.elapsed_ms < 15_000);
    }
    works(&mut world)
}

fn late() -> Result<(), Failed> {
    let deadlines = Deadlines { late: Duration::from_secs(1), ..Deadlines::default() };
    let mut world = World::gather(LocalRanks { deadlines, ..local(3) })?;
    let task = |rank| Task { sleep_ms: if rank == 1 { 2500 } else { 0 }, ..sums(2) };
    let performed: Performed<(usize, u32)> = world.perform(task, None)?;
    let loss = performed.loss.ok_or("nobody was late")?.loss;
    assert_eq!((loss.rank, loss.cause, loss.at.sequence), (1, Cause::Late, 1));
    for end in &performed.ends {
        assert!(matches!(&end.outcome, RankOutcome::Failed(RankFailure { kind: FailureKind::Lost, .. })), "{end:?}");
    }
    works(&mut world)
}

fn impossible_faults() -> Result<(), Failed> {
    let mut world = World::gather(local(2))?;
    for (victim, fault, sequence) in [
        (2, RankFault::Killed(Moment::Inside), 1),
        (1, RankFault::Killed(Moment::Inside), 0),
        (1, RankFault::NoInvitation, 0),
    ] {
        let performed = world.perform::<_, (usize, u32)>(|_| sums(1), Some(ScheduledFault { victim, fault, sequence }));
        assert!(matches!(performed, Err(WorldError::Fault(_))));
    }
    works(&mut world)
}

/// A leader that is killed in the middle of something.
fn lead(word: &str) -> ExitCode {
    let mut world = World::gather(local(2)).unwrap();
    let pids = pids(&world).iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    fs::write(format!("{word}.new"), pids).and_then(|()| fs::rename(format!("{word}.new"), word)).unwrap();
    let task = Task { sleep_ms: 60_000, ..sums(1) };
    let _: Performed<(usize, u32)> = world.perform(|_| task.clone(), None).unwrap();
    ExitCode::SUCCESS
}

fn end_of_a_leader() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("pids");
    let mut leader = Command::new("/proc/self/exe").arg("lead").arg(&file).spawn()?;
    wait_until("the ranks arrive", Duration::from_secs(30), || file.exists())?;
    let pids: Vec<u32> = fs::read_to_string(&file)?.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.len() == 2 && pids.iter().all(|pid| is_alive(*pid)));
    leader.kill()?;
    leader.wait()?;
    wait_until("the ranks end", Duration::from_secs(5), || !pids.iter().any(|pid| is_alive(*pid)))
}

/// A rank as torchrun would start it.
fn launched(port: u16, place: (&str, &str), secret: &str) -> Result<Child, Failed> {
    launched_on("cpu", port, place, secret)
}

/// The same on a device. It sees no GPU.
fn launched_on(device: &str, port: u16, (rank, size): (&str, &str), secret: &str) -> Result<Child, Failed> {
    Ok(Command::new("/proc/self/exe")
        .args(["rank", "--device", device])
        .env("CUDA_VISIBLE_DEVICES", "")
        .envs([("RANK", rank), ("LOCAL_RANK", rank), ("WORLD_SIZE", size), ("MASTER_ADDR", "127.0.0.1")])
        .envs([("MASTER_PORT", port.to_string().as_str()), (SECRET_VARIABLE, secret)])
        .stderr(Stdio::piped())
        .spawn()?)
}

/// Its exit code and what it said, which must come soon.
fn ending(mut child: Child) -> Result<(Option<i32>, String), Failed> {
    wait_until("a rank ends", Duration::from_secs(20), || !matches!(child.try_wait(), Ok(None)))?;
    let mut said = String::new();
    child.stderr.take().expect("stderr is piped").read_to_string(&mut said)?;
    Ok((child.wait()?.code(), said))
}

fn free_port() -> Result<u16, Failed> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn lead_launched(port: u16, size: usize, rendezvous: Duration) -> Result<World, WorldError> {
    let deadlines = Deadlines { rendezvous, latecomers: Duration::from_secs(2), ..Deadlines::default() };
    World::of_launched(("127.0.0.1", port), Secret::new(SECRET).unwrap(), Device::Cpu, size, deadlines)
}

/// What is wrong with one of the ranks.
#[derive(Clone, Copy)]
enum Wrong {
    Secret,
    World,
    Taken,
}

fn refused(wrong: Wrong) -> Result<(), Failed> {
    let port = free_port()?;
    let honest = launched(port, ("0", "3"), SECRET)?;
    let begin = Instant::now();
    let leader = thread::spawn(move || lead_launched(port, 3, Duration::from_secs(60)).map(drop));
    // The honest one is to be there first, which nothing but the refusal of a taken rank depends on.
    thread::sleep(Duration::from_millis(1500));
    let (place, secret) = match wrong {
        Wrong::Secret => (("1", "3"), "the secret of some other tests"),
        Wrong::World => (("3", "4"), SECRET),
        Wrong::Taken => (("0", "3"), SECRET),
    };
    let (code, said) = ending(launched(port, place, secret)?)?;
    let refusal = match leader.join().expect("the leader does not panic") {
        Err(WorldError::Refused { refusal, .. }) => refusal,
        other => return Err(format!("the leader says {other:?}").into()),
    };
    let is_right = match wrong {
        Wrong::Secret => refusal == Refusal::WrongSecret,
        Wrong::World => refusal == Refusal::OtherWorld { ours: 3, theirs: 4 },
        Wrong::Taken => matches!(refusal, Refusal::Taken { rank: 0, .. }),
    };
    assert!(is_right, "{refusal:?}");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&refusal.to_string()), "{said}");
    let (code, said) = ending(honest)?;
    assert_eq!(code, Some(4));
    assert!(said.contains("did not come together") && said.contains(&refusal.to_string()), "{said}");
    assert!(begin.elapsed() < Duration::from_secs(20));
    Ok(())
}

/// The other rank was on its way when one was turned away.
fn late_to_a_refusal() -> Result<(), Failed> {
    let port = free_port()?;
    let leader = thread::spawn(move || lead_launched(port, 2, Duration::from_secs(60)).map(drop));
    let (code, _) = ending(launched(port, ("1", "2"), "the secret of some other tests")?)?;
    assert_eq!(code, Some(2));
    let begin = Instant::now();
    let (code, said) = ending(launched(port, ("0", "2"), SECRET)?)?;
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(code == Some(4) && said.contains(&Refusal::WrongSecret.to_string()), "{code:?} {said}");
    assert!(matches!(leader.join().expect("the leader does not panic"), Err(WorldError::Refused { .. })));
    Ok(())
}

fn unfit() -> Result<(), Failed> {
    for (place, secret, words) in [
        (("3", "3"), SECRET, "RANK is 3, but must be less than WORLD_SIZE, which is 3"),
        (("0", "3"), "short", "5 characters"),
    ] {
        let (code, said) = ending(launched(1, place, secret)?)?;
        assert_eq!(code, Some(2));
        assert!(said.contains(words), "{said}");
    }
    Ok(())
}

fn without_gpu() -> Result<(), Failed> {
    let port = free_port()?;
    let rank = launched_on("cuda", port, ("1", "2"), SECRET)?;
    let secret = Secret::new(SECRET).unwrap();
    let begin = Instant::now();
    let error = World::of_launched(("127.0.0.1", port), secret, Device::Cuda, 2, Deadlines::default()).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(error.to_string().ends_with("this rank has none, but the ranks need a GPU"), "{error}");
    let (code, said) = ending(rank)?;
    assert!(code.is_some_and(|code| code != 0) && said.starts_with("rank: rank 1"), "{code:?} {said}");
    Ok(())
}

fn missing() -> Result<(), Failed> {
    let port = free_port()?;
    let ranks = [launched(port, ("1", "4"), SECRET)?, launched(port, ("3", "4"), SECRET)?];
    let error = lead_launched(port, 4, Duration::from_secs(4)).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "ranks 0, 2 did not arrive within 4.0 s");
    for rank in ranks {
        let (code, said) = ending(rank)?;
        assert_eq!(code, Some(4));
        assert!(said.contains("ranks 0, 2 did not arrive within 4.0 s"), "{said}");
    }
    Ok(())
}

fn port_in_use() -> Result<(), Failed> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let error = lead_launched(port, 2, Duration::from_secs(1)).map(drop).unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with(&format!("cannot listen for ranks at 127.0.0.1:{port}: ")), "{said}");
    assert!(said.ends_with("choose another"), "{said}");
    Ok(())
}

fn strangers() -> Result<(), Failed> {
    let port = free_port()?;
    let leader = thread::spawn(move || -> Result<(), String> {
        let mut world = lead_launched(port, 2, Duration::from_secs(30)).map_err(|error| error.to_string())?;
        works(&mut world).map_err(|error| format!("{error:?}"))
    });
    let mut silent = Vec::new();
    wait_until("the leader listens", Duration::from_secs(5), || {
        silent.extend(TcpStream::connect(("127.0.0.1", port)).ok());
        !silent.is_empty()
    })?;
    for words in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[255; 64], &[2, 0, 0, 0, b'{', b'}'], &[9, 0, 0, 0, b'{']] {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(words)?;
        silent.push(stream);
    }
    let begin = Instant::now();
    let ranks = [launched(port, ("0", "2"), SECRET)?, launched(port, ("1", "2"), SECRET)?];
    leader.join().expect("the leader does not panic")?;
    for rank in ranks {
        assert_eq!(ending(rank)?.0, Some(0));
    }
    assert!(begin.elapsed() < Duration::from_secs(15));
    Ok(())
}

/// A leader that challenges, and then welcomes everybody with a proof that it makes up.
fn impostor() -> Result<(), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let rank = launched(listener.local_addr()?.port(), ("0", "1"), SECRET)?;
    let (mut stream, _) = listener.accept()?;
    let zeros = vec![0_u8; 32];
    let mut say = |message: serde_json::Value| {
        let body = message.to_string();
        stream.write_all(&(body.len() as u32).to_le_bytes()).and_then(|()| stream.write_all(body.as_bytes()))
    };
    say(serde_json::json!({ "protocol": 1, "nonce": zeros }))?;
    say(serde_json::json!({ "welcome": { "proof": zeros } }))?;
    let (code, said) = ending(rank)?;
    assert_eq!(code, Some(4));
    assert!(said.contains("is not its leader: it does not know the secret"), "{said}");
    Ok(())
}
