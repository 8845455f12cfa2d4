use std::collections::BTreeMap;

use super::*;

/// What `torchrun --nnodes 2 --nproc-per-node 2` sets for the last rank.
const BY_TORCHRUN: &str = "LOCAL_RANK=1 RANK=3 GROUP_RANK=1 ROLE_RANK=3 ROLE_NAME=default LOCAL_WORLD_SIZE=2 WORLD_SIZE=4 \
     GROUP_WORLD_SIZE=2 ROLE_WORLD_SIZE=4 MASTER_ADDR=node1 MASTER_PORT=29500 TORCHELASTIC_RESTART_COUNT=0 \
     TORCHELASTIC_MAX_RESTARTS=0 TORCHELASTIC_RUN_ID=7 TORCHELASTIC_USE_AGENT_STORE=False OMP_NUM_THREADS=1";

/// What `srun -N 2 -n 3` in a job of Slurm 22.05 sets for the last rank.
const BY_SLURM: &str = "SLURM_PROCID=2 SLURM_LOCALID=0 SLURM_NODEID=1 SLURM_NTASKS=3 SLURM_NPROCS=3 SLURM_NNODES=2 \
     SLURM_JOB_ID=4711 SLURM_JOBID=4711 SLURM_STEP_ID=0 SLURM_STEPID=0 SLURM_STEP_NUM_TASKS=3 SLURM_STEP_NUM_NODES=2 \
     SLURM_STEP_TASKS_PER_NODE=2,1 SLURM_TASKS_PER_NODE=2,1 SLURM_STEP_NODELIST=gpu[008-009] \
     SLURM_JOB_NODELIST=gpu[008-009] SLURM_NODELIST=gpu[008-009] SLURM_LAUNCH_NODE_IPADDR=10.0.0.1 \
     SLURM_SRUN_COMM_HOST=10.0.0.1 SLURM_SRUN_COMM_PORT=36215 SLURM_STEP_LAUNCHER_PORT=36215 SLURM_GTIDS=2 \
     SLURMD_NODENAME=gpu009";

/// What `mpirun -n 3` of Open MPI 4.1 sets for the second rank.
const BY_OPEN_MPI: &str = "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=3 OMPI_COMM_WORLD_LOCAL_RANK=1 \
     OMPI_COMM_WORLD_LOCAL_SIZE=3 OMPI_COMM_WORLD_NODE_RANK=1 OMPI_UNIVERSE_SIZE=3 OMPI_APP_CTX_NUM_PROCS=3 \
     OMPI_NUM_APP_CTX=1 OMPI_FIRST_RANKS=0 OMPI_MCA_ess_base_jobid=1755447297 OMPI_MCA_ess_base_vpid=1 \
     PMIX_NAMESPACE=1755447297 PMIX_RANK=1 PMIX_HOSTNAME=gpu001";

/// Reads `NAME=value` pairs; those that come later win.
fn read(texts: &[&str]) -> Result<RankEnvironment, EnvironmentError> {
    let pairs = texts.iter().flat_map(|text| text.split_whitespace()).filter_map(|pair| pair.split_once('='));
    let variables: BTreeMap<&str, &str> = pairs.collect();
    RankEnvironment::read(|name| variables.get(name).map(|value| (*value).to_owned()))
}

fn message(texts: &[&str]) -> String {
    read(texts).unwrap_err().to_string()
}

fn master(texts: &[&str]) -> (String, u16) {
    let master = read(texts).unwrap().master.unwrap();
    (master.host, master.port)
}

#[test]
fn torchrun_says_it_all() {
    let master = Some(Master { host: "node1".to_owned(), port: 29500 });
    let launcher = Launcher::Torchrun;
    let place = RankEnvironment { launcher, rank: 3, world: 4, local_rank: 1, local_world: Some(2), master };
    assert_eq!(read(&[BY_TORCHRUN]), Ok(place));
}

#[test]
fn the_port_of_torchruns_own_store_is_left_alone() {
    let taken = "TORCHELASTIC_USE_AGENT_STORE=True";
    assert_eq!(master(&[BY_TORCHRUN, taken]).1, 29501);
    assert_eq!(master(&[BY_TORCHRUN, taken, "MASTER_PORT=65535"]).1, 65534);
    assert_eq!(master(&[BY_TORCHRUN, taken, "ROBOCACHE_RENDEZVOUS_PORT=4242"]).1, 4242);
}

#[test]
fn slurm_meets_on_the_first_host_of_the_step_and_not_where_srun_runs() {
    let found = read(&[BY_SLURM]).unwrap();
    assert_eq!((found.launcher, found.rank, found.world), (Launcher::Slurm, 2, 3));
    assert_eq!((found.local_rank, found.local_world), (0, None));
    let (host, port) = master(&[BY_SLURM]);
    assert_eq!(host, "gpu008");
    assert!((FIRST_PORT..FIRST_PORT + PORTS).contains(&port));
    assert_eq!(master(&[BY_SLURM, "SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0"]), (host, port));
    assert_ne!(master(&[BY_SLURM, "SLURM_STEP_ID=1"]).1, port);
    assert_ne!(master(&[BY_SLURM, "SLURM_JOB_ID=4712"]).1, port);
    assert_eq!(master(&[BY_SLURM, "MASTER_ADDR=10.1.2.3 MASTER_PORT=29500"]), ("10.1.2.3".to_owned(), 29500));
    let no_lists = "SLURM_STEP_NODELIST= SLURM_JOB_NODELIST=";
    assert_eq!(master(&[BY_SLURM, no_lists]).0, "10.0.0.1");
}

#[test]
fn a_step_may_be_smaller_than_its_job() {
    assert_eq!(read(&[BY_SLURM, "SLURM_NTASKS=8"]).unwrap().world, 3);
    assert_eq!(read(&[BY_SLURM, "SLURM_STEP_NUM_TASKS="]).unwrap().world, 3);
}

#[test]
fn the_script_of_a_job_is_no_rank() {
    assert_eq!(
        read(&["SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NTASKS=4 SLURM_JOB_ID=1"]),
        Err(EnvironmentError::BatchScript)
    );
    assert!(message(&["SLURM_PROCID=0 SLURM_NTASKS=4"]).contains("srun"));
}

#[test]
fn open_mpi_meets_here_where_all_ranks_are_here_and_else_must_be_told_where() {
    let found = read(&[BY_OPEN_MPI]).unwrap();
    assert_eq!((found.launcher, found.rank, found.world), (Launcher::OpenMpi, 1, 3));
    assert_eq!((found.local_rank, found.local_world), (1, Some(3)));
    assert_eq!(found.rendezvous().unwrap().host, "127.0.0.1");
    let two_machines = "OMPI_COMM_WORLD_LOCAL_SIZE=2";
    let lost = read(&[BY_OPEN_MPI, two_machines]).unwrap().rendezvous().unwrap_err().to_string();
    assert!(lost.contains("MASTER_ADDR") && lost.contains("Open MPI"), "{lost}");
    assert_eq!(master(&[BY_OPEN_MPI, two_machines, "MASTER_ADDR=gpu001"]).0, "gpu001");
    let nameless = "PMIX_NAMESPACE= OMPI_MCA_ess_base_jobid=";
    assert!(message(&[BY_OPEN_MPI, nameless]).contains(RENDEZVOUS_PORT));
    assert_eq!(master(&[BY_OPEN_MPI, nameless, "ROBOCACHE_RENDEZVOUS_PORT=9"]).1, 9);
}

#[test]
fn the_innermost_launcher_speaks() {
    assert_eq!(read(&[BY_SLURM, BY_TORCHRUN]).unwrap().launcher, Launcher::Torchrun);
    // The daemons of mpirun, and not the ranks, are what srun started.
    let daemons = "SLURM_PROCID=0 SLURM_NTASKS=1 SLURM_STEP_NUM_TASKS=1";
    assert_eq!(read(&[BY_SLURM, daemons, BY_OPEN_MPI]).unwrap().launcher, Launcher::OpenMpi);
    // Two agents of torchrun, each started by mpirun, have four ranks.
    let agents = "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2";
    assert_eq!(read(&[BY_OPEN_MPI, agents, BY_TORCHRUN]).unwrap().rank, 3);
    // Scripts often hand on what mpirun says under torchrun's names.
    let handed_on = "RANK=1 WORLD_SIZE=3 LOCAL_RANK=1 MASTER_ADDR=a MASTER_PORT=1";
    assert_eq!(read(&[BY_OPEN_MPI, handed_on]).unwrap().launcher, Launcher::Torchrun);
    // What only helps to meet makes no torchrun.
    let helps = "WORLD_SIZE=3 MASTER_ADDR=a MASTER_PORT=1";
    assert_eq!(read(&[BY_SLURM, helps]).unwrap().launcher, Launcher::Slurm);
}

#[test]
fn a_contradiction_names_both() {
    let message = message(&[BY_OPEN_MPI, "OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=4 RANK=1 WORLD_SIZE=2"]);
    assert!(
        message.starts_with("torchrun (RANK) says rank 1 of 2, but Open MPI (OMPI_COMM_WORLD_RANK) says rank 0 of 4")
    );
}

#[test]
fn what_is_missing_is_named_beside_what_was_found() {
    assert_eq!(
        message(&["RANK=0 LOCAL_RANK=0"]),
        "WORLD_SIZE is not set, but a rank of torchrun (RANK) needs it; of that family there is RANK, LOCAL_RANK"
    );
    assert!(message(&["WORLD_SIZE=2"]).starts_with("RANK is not set"));
    assert!(message(&["RANK=0 WORLD_SIZE=2"]).starts_with("LOCAL_RANK is not set"));
    assert!(message(&[BY_TORCHRUN, "MASTER_ADDR="]).starts_with("MASTER_ADDR is not set"));
    assert!(message(&[BY_TORCHRUN, "MASTER_PORT="]).starts_with("MASTER_PORT is not set"));
    assert!(message(&["OMPI_COMM_WORLD_SIZE=2"]).starts_with("OMPI_COMM_WORLD_RANK is not set"));
    assert!(message(&[BY_SLURM, "SLURM_PROCID="]).starts_with("SLURM_PROCID is not set"));
    assert!(message(&[BY_SLURM, "SLURM_LOCALID="]).starts_with("SLURM_LOCALID is not set"));
    assert_eq!(read(&[]), Err(EnvironmentError::NoLauncher));
    assert_eq!(read(&["MASTER_ADDR=a MASTER_PORT=1"]), Err(EnvironmentError::NoLauncher));
}

#[test]
fn one_rank_has_nobody_to_meet() {
    assert_eq!(read(&["RANK=0 WORLD_SIZE=1 LOCAL_RANK=0"]).unwrap().master, None);
}

#[test]
fn numbers_are_numbers_and_ranks_in_range() {
    assert_eq!(message(&[BY_TORCHRUN, "RANK=one"]), "RANK is `one`, but must be a whole number");
    assert!(message(&[BY_TORCHRUN, "WORLD_SIZE=-4"]).starts_with("WORLD_SIZE is `-4`"));
    assert!(message(&[BY_TORCHRUN, "MASTER_PORT=70000"]).contains("a port from 1 to 65535"));
    assert!(message(&[BY_TORCHRUN, "MASTER_PORT=0"]).contains("a port from 1 to 65535"));
    assert_eq!(message(&[BY_TORCHRUN, "RANK=4"]), "RANK is 4, but must be less than WORLD_SIZE, which is 4");
    assert_eq!(message(&["RANK=0 WORLD_SIZE=0"]), "RANK is 0, but must be less than WORLD_SIZE, which is 0");
    assert!(message(&[BY_TORCHRUN, "LOCAL_RANK=2"]).starts_with("LOCAL_RANK is 2"));
    assert!(message(&[BY_SLURM, "SLURM_LOCALID=3"]).starts_with("SLURM_LOCALID is 3"));
}

#[test]
fn the_first_host_of_every_notation() {
    let first = |list| first_host(list).unwrap();
    assert_eq!(first("localhost"), "localhost");
    assert_eq!(first("b,a"), "b");
    assert_eq!(first("gpu[7,9-11],login"), "gpu7");
    assert_eq!(first("rack-2-n[003-010]-ib,x[1-2]"), "rack-2-n003-ib");
    assert_eq!(first("r[1-2]n[05,09]"), "r1n05");
    assert_eq!(first_host(""), None);
    assert_eq!(first_host("broken[1-2"), None);
}
