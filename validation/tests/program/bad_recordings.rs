//! Recordings that cannot be read are the errors of their own cells.

use std::fs;

use validation::{cell::Input, verdict::Verdict};
use validation_testing::project::{Project, names};

const MATRIX: &str = include_str!("recordings.yaml");

const PLY: &str = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n\
                   end_header\n0 0 0\n1 1 1\n2 2 2\n";

/// A recording, what it holds, and what the error of its cells says behind the file's path; `None` if it is good.
const RECORDINGS: [(&str, &str, Option<&str>); 8] = [
    ("whole.ply", PLY, None),
    ("whole.csv", "#ns,x\n1000000000,1\n1010000000,2\n1020000000,3\n", None),
    (
        "truncated.ply",
        "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nend_header\n0 0 0\n",
        Some(":9: is cut off"),
    ),
    ("header.ply", "ply\nformat ascii 1.0\nelement ver", Some(": byte 32: is cut off")),
    ("magic.ply", "plx\nformat ascii 1.0\n", Some(": byte 0: begins with `plx")),
    ("nan.txt", "# s x\n1.00 1\nnan 2\n1.02 3\n", Some(":3: the time `nan` is not a finite number")),
    (
        "decreasing.csv",
        "#ns,x\n1000000000,1\n1020000000,2\n1010000000,3\n",
        Some(":4: the time 1010000000 ns comes after 1020000000 ns"),
    ),
    ("expected.csv", "#ns,x\n1000000000,1\n1020000000,2\n1010000000,3\n", None),
];

#[test]
fn each_bad_recording_costs_its_own_cells() {
    let project = Project::with_matrix(MATRIX);
    let data = project.path("recorded");
    fs::create_dir(&data).unwrap();
    for (file, content, _) in RECORDINGS {
        fs::write(data.join(file), content).unwrap();
    }
    let ended = project.run(&["--data", data.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    let records = project.records();
    assert_eq!(names(&records), project.listed(&[]).into_iter().collect());
    assert_eq!(records.len(), 2 * (RECORDINGS.len() + 1));
    for record in &records {
        let Input::Recorded(dataset) = &record.cell.input else {
            assert_eq!(record.verdict, Verdict::Pass, "{}", record.cell);
            continue;
        };
        let named = RECORDINGS.iter().find(|(file, _, _)| file.replace('.', "_") == *dataset);
        let (file, _, fault) = named.unwrap_or_else(|| panic!("no recording is called {dataset}"));
        match (&record.verdict, fault) {
            (Verdict::Pass, None) => {}
            (Verdict::Error { message }, Some(fault)) => {
                let place = format!("{}{fault}", data.join(file).display());
                assert!(message.starts_with(&place), "{message:?} does not begin with {place:?}");
                assert!(ended.stdout.contains(&place), "{place} is not shown");
            }
            (verdict, _) => panic!("{}: {verdict:?}", record.cell),
        }
    }
}

#[test]
fn a_recording_that_is_not_there_is_a_skip_with_its_path() {
    let project = Project::with_matrix(MATRIX);
    let data = project.path("recorded");
    fs::create_dir(&data).unwrap();
    let ended = project.run(&["--data", data.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    for (file, _, _) in RECORDINGS {
        let reason = format!("{}: there is no such file", data.join(file).display());
        assert!(ended.stdout.contains(&reason), "no `{reason}` in {}", ended.stdout);
    }
}
