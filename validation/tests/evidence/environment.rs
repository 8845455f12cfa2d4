//! What a run says of the program and the machine.

use validation::evidence::{Environment, Fact, Filters, environment::RECORDED_VARIABLES};
use validation_testing::fixture::{MATRIX, environment, fixed_environment, machine, new_run, usual_environment};

#[test]
fn the_file_reads_as_documented() {
    insta::assert_snapshot!(fixed_environment().to_json());
}

#[test]
fn the_file_comes_back_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("environment.json");
    std::fs::write(&path, fixed_environment().to_json()).unwrap();
    assert_eq!(Environment::read(&path).unwrap(), fixed_environment());
    let run = new_run(root.path());
    assert_eq!(&Environment::read(&run.folder().join("environment.json")).unwrap(), run.environment());
}

#[test]
fn what_this_machine_lacks_has_a_reason() {
    let environment = usual_environment();
    assert_eq!(environment.gpus, Fact::Missing { missing: machine().cuda_missing.unwrap() });
    assert_eq!(environment.nccl, Fact::Missing { missing: "libnccl.so.2 was not found".to_owned() });
    assert!(matches!(&environment.kernel_image, Fact::Missing { missing } if missing.contains("nvcc")));
}

#[test]
fn the_name_of_a_run_is_its_start() {
    let environment = environment("quick", Filters::default(), MATRIX);
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let started = digits(&environment.started.to_string());
    assert_eq!(digits(&environment.run), started[..17], "{}", environment.run);
}

#[test]
fn secrets_and_the_machines_name_stay_out() {
    let text = usual_environment().to_json();
    // Set for every process, and not on the list.
    let path = std::env::var("PATH").unwrap();
    assert!(!text.contains("PATH") && !text.contains(&path), "{text}");
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    assert!(!text.contains("hostname"), "{text}");
    // Names such as `vm` occur inside other words.
    assert!(hostname.trim().len() < 6 || !text.contains(hostname.trim()), "{text}");
    let mut sorted = RECORDED_VARIABLES;
    sorted.sort_unstable();
    assert_eq!(sorted, RECORDED_VARIABLES);
}
