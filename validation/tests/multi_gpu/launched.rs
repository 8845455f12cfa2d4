//! Ranks that somebody else starts, as torchrun would.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Stdio},
};

use validation::{
    plan::SkipReason,
    ranks::{SECRET_VARIABLE, environment::RANK_VARIABLES},
    verdict::Verdict,
};
use validation_testing::{
    compile,
    project::{Ended, Project},
};

/// No run's secret but of these tests'.
const SECRET: &str = "a secret of tests and of nothing else";

/// A port that is free now, and is given to nobody else soon.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Starts one of two ranks.
fn start(project: &Project, rank: usize, port: u16, secret: Option<&str>, arguments: &[&str]) -> Child {
    let mut command = project.command();
    for variable in RANK_VARIABLES {
        command.env_remove(variable);
    }
    command.env_remove(SECRET_VARIABLE).envs(secret.map(|secret| (SECRET_VARIABLE, secret)));
    let (rank, port) = (rank.to_string(), port.to_string());
    command.envs([("RANK", &*rank), ("LOCAL_RANK", &rank), ("WORLD_SIZE", "2"), ("LOCAL_WORLD_SIZE", "2")]);
    command.envs([("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", &port)]);
    command.args(["--launched", "cpu"]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Starts both, and waits until they end.
fn run(project: &Project, secrets: [Option<&str>; 2], arguments: &[&str]) -> [Ended; 2] {
    run_each(project, secrets, [arguments; 2])
}

/// The same with arguments for each.
fn run_each(project: &Project, secrets: [Option<&str>; 2], arguments: [&[&str]; 2]) -> [Ended; 2] {
    let port = free_port();
    let ranks = [0, 1].map(|rank| start(project, rank, port, secrets[rank], arguments[rank]));
    ranks.map(|rank| rank.wait_with_output().unwrap().into())
}

#[test]
fn launched_ranks_run_the_cells_of_as_many_and_end_well() {
    let project = Project::of_repository();
    let [leader, other] = run(&project, [Some(SECRET); 2], &["all_reduce_sum"]);
    assert_eq!((leader.code, other.code), (Some(0), Some(0)), "{}{}", leader.printed(), other.printed());
    assert_eq!(other.printed(), "status Some(0)\n");

    let records = project.records();
    let (passed, skipped): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.verdict == Verdict::Pass);
    assert!(passed.len() >= 6 && passed.iter().all(|record| record.cell.name.ends_with("::w2")));
    assert!(!skipped.is_empty());
    for record in skipped {
        let Verdict::Skip { reason: SkipReason::MachineLacks(reason) } = &record.verdict else { panic!("{record:?}") };
        assert!(reason.contains("torchrun") && reason.ends_with("so none may be lost"), "{reason}");
    }
    let environment = std::fs::read_to_string(project.only_run().join("environment.json")).unwrap();
    assert!(environment.contains(r#""launcher": "torchrun""#) && !environment.contains(SECRET), "{environment}");
}

#[test]
fn launched_ranks_run_the_operators_of_a_library() {
    let project = Project::of_repository();
    let library = compile::example(&project.path("")).display().to_string();
    let [leader, other] = run(&project, [Some(SECRET); 2], &["--subject", &library, "multi_gpu::"]);
    assert_eq!((leader.code, other.code), (Some(0), Some(0)), "{}{}", leader.printed(), other.printed());
    for record in project.records() {
        let is_sharded = ["resample", "fuse", "voxelize"].contains(&&*record.cell.operator);
        assert_eq!(record.verdict == Verdict::Pass, is_sharded, "{record:?}");
    }
}

#[test]
fn a_rank_with_another_library_is_turned_away() {
    let project = Project::of_repository();
    let right = compile::example(&project.path("")).display().to_string();
    let other = compile::fixture("ones_everywhere", &project.path("")).display().to_string();
    for other in [&["--subject", &other, "multi_gpu::resample"][..], &["multi_gpu::resample"]] {
        let arguments = [&["--subject", &right, "multi_gpu::resample"][..], other];
        let [leader, other] = run_each(&project, [Some(SECRET); 2], arguments);
        assert_eq!((leader.code, other.code), (Some(1), Some(2)), "{}{}", leader.printed(), other.printed());
        assert!(other.stderr.contains("has another library or other kernels"), "{}", other.printed());
    }
}

#[test]
fn ranks_without_a_secret_end_before_anything_runs() {
    let project = Project::of_repository();
    for ended in run(&project, [None; 2], &["all_reduce_sum"]) {
        assert_eq!(ended.code, Some(2), "{}", ended.printed());
        assert!(ended.stderr.contains("ROBOCACHE_RENDEZVOUS_SECRET is not set"), "{}", ended.printed());
    }
    assert!(!project.output().exists());
}

#[test]
fn a_rank_with_another_secret_is_turned_away_and_all_end() {
    let project = Project::of_repository();
    let secrets = [Some(SECRET), Some("another secret of tests and of nothing")];
    let [leader, other] = run(&project, secrets, &["all_reduce_sum"]);
    assert_eq!((leader.code, other.code), (Some(1), Some(2)), "{}{}", leader.printed(), other.printed());
    assert!(leader.stdout.contains(TO_BE_RESUMED), "{}", leader.printed());
    assert!(!leader.printed().contains(SECRET) && !other.printed().contains(secrets[1].unwrap()));
}

/// How a run ends that is left for new ranks to finish.
const TO_BE_RESUMED: &str = "the ranks are lost: start them again with `--resume ";

/// Two ranks with a run that takes seconds, of which a cell has passed: the leader, what it prints from then on, and the
/// other one.
fn in_the_middle(project: &Project) -> (Child, impl Iterator<Item = String>, Child) {
    let port = free_port();
    let [mut leader, other] =
        [0, 1].map(|rank| start(project, rank, port, Some(SECRET), &["--profile", "long", "--color", "never"]));
    let mut lines = BufReader::new(leader.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.trim_start().starts_with("pass ")));
    (leader, lines, other)
}

#[test]
fn ranks_end_with_a_leader_that_is_killed_and_new_ones_finish_its_run() {
    let project = Project::with_matrix(include_str!("matrix.yaml"));
    let (mut leader, lines, other) = in_the_middle(&project);
    leader.kill().unwrap();
    leader.wait().unwrap();
    drop(lines);
    let ended: Ended = other.wait_with_output().unwrap().into();
    // The worker that led the ranks dies with the leader. Between two cells it may see that nothing more comes first, and
    // tell them that it is over.
    let is_told = ended.code == Some(0);
    let is_alone = ended.code == Some(4) && ended.stderr.contains("the leader is gone");
    assert!(is_told || is_alone, "{}", ended.printed());

    let [leader, other] = run(&project, [Some(SECRET); 2], &["--profile", "long", "--resume=latest"]);
    assert_eq!((leader.code, other.code), (Some(0), Some(0)), "{}{}", leader.printed(), other.printed());
    let records = project.records();
    assert!(records.iter().all(|record| record.verdict == Verdict::Pass));
    let names: BTreeSet<_> = records.iter().map(|record| &record.cell.name).collect();
    // 36 sizes of 19 collectives, none of them twice.
    assert_eq!((names.len(), records.len()), (684, 684));
}

#[test]
fn the_loss_of_a_launched_rank_is_named_and_the_rest_is_left_for_others() {
    let project = Project::with_matrix(include_str!("matrix.yaml"));
    let (leader, lines, mut other) = in_the_middle(&project);
    other.kill().unwrap();
    other.wait().unwrap();
    // The leader would wait for somebody who reads.
    let printed: Vec<_> = lines.collect();
    let ended: Ended = leader.wait_with_output().unwrap().into();
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    assert!(printed.last().unwrap().starts_with(TO_BE_RESUMED), "{printed:?}");

    let records = project.records();
    let (lost, passed) = records.split_last().unwrap();
    assert!(format!("{:?}", lost.verdict).contains("rank 1"), "{lost:?}");
    assert!(passed.len() < 683 && passed.iter().all(|record| record.verdict == Verdict::Pass), "{}", passed.len());

    let [leader, other] = run(&project, [Some(SECRET); 2], &["--profile", "long", "--resume=latest"]);
    // The one that failed stays what it is.
    assert_eq!((leader.code, other.code), (Some(1), Some(0)), "{}{}", leader.printed(), other.printed());
    assert!(leader.stdout.contains("FAILED: 683 passed, 1 failed, 0 skipped"), "{}", leader.printed());
}

#[test]
fn nothing_is_selected_where_no_cell_has_as_many_ranks() {
    let project = Project::of_repository();
    // The other one would look for its leader for half a minute.
    let leader: Ended = start(&project, 0, free_port(), Some(SECRET), &["::w3"]).wait_with_output().unwrap().into();
    assert_eq!(leader.code, Some(2), "{}", leader.printed());
    assert!(leader.stderr.contains("--launched cpu, 2 ranks of torchrun"), "{}", leader.printed());
}
