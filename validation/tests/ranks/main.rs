//! Ranks as processes of their own. This program is both the tests and, as `ranks rank --device cpu`, the ranks.

mod losses;
mod rendezvous;
mod work;

use std::{
    env, fs,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use fault_injection::RankFault;
use libtest_mimic::{Arguments, Failed, Trial};
use validation::{
    cell::Device,
    ranks::{Deadlines, LocalRanks, Performed, RankOutcome, World, serve},
};

use self::{
    rendezvous::Wrong,
    work::{Collectives, Task, sums},
};

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
                Trial::test("a_rank_that_panics_is_named_and_replaced_by_none", losses::panics),
                Trial::test("a_rank_that_is_late_is_named", losses::late),
                Trial::test("a_rank_that_fails_alone_is_named", losses::cut_off),
                Trial::test("a_fault_that_cannot_be_is_refused", losses::impossible_faults),
                Trial::test("a_wrong_secret_is_refused", || rendezvous::refused(Wrong::Secret)),
                Trial::test("a_rank_that_is_late_to_a_refusal_is_told", rendezvous::late_to_a_refusal),
                Trial::test("a_rank_out_of_range_or_without_a_secret_says_so", rendezvous::unfit),
                Trial::test("a_rank_of_another_world_is_refused", || rendezvous::refused(Wrong::World)),
                Trial::test("a_rank_that_is_taken_is_refused", || rendezvous::refused(Wrong::Taken)),
                Trial::test("a_rank_without_its_gpu_ends_all", rendezvous::without_gpu),
                Trial::test("missing_ranks_are_named_and_the_others_end", rendezvous::missing),
                Trial::test("a_port_in_use_is_said", rendezvous::port_in_use),
                Trial::test("strangers_hold_nobody_up", rendezvous::strangers),
                Trial::test("a_leader_without_the_secret_is_not_obeyed", rendezvous::impostor),
            ];
            trials.extend(RankFault::all().flat_map(|fault| {
                [2, 4].map(|world| Trial::test(format!("{fault}_of_{world}"), move || losses::survive(fault, world)))
            }));
            libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
        }
    }
}

fn be_rank(device: Device) -> ExitCode {
    match serve(&Collectives, device, None, None) {
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
