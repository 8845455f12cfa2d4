//! examples/cuda_subject on a GPU, and what a wrong kernel costs there.

use validation::verdict::Verdict;
use validation_testing::{
    compile::{self, root},
    project::Project,
};

const MATRIX: &str = include_str!("../../../examples/cuda_subject/matrix.yaml");

#[test]
#[ignore = "needs an NVIDIA GPU, and nvcc (NVCC, or scripts/setup_cuda.sh)"]
fn it_gives_the_bits_of_the_cpu_with_as_few_launches_as_it_says() {
    let project = Project::with_matrix(MATRIX);
    let library = compile::cuda(&root().join("examples/cuda_subject"), &project.path("")).display().to_string();
    let ended = project.run(&["--subject", &library]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let records = project.records();
    let passed = records.iter().filter(|record| record.verdict == Verdict::Pass).count();
    assert!(passed > 500, "{passed} of {}", records.len());
    let timed = project.bench(&["--subject", &library, "fuse"]);
    assert_eq!(timed.code, Some(0), "{}", timed.printed());
}

#[test]
#[ignore = "needs an NVIDIA GPU, and nvcc (NVCC, or scripts/setup_cuda.sh)"]
fn an_illegal_access_costs_its_cells_and_replaces_the_worker() {
    let project = Project::with_matrix(MATRIX);
    let source = project.path("wrong");
    std::fs::create_dir(&source).unwrap();
    for name in ["build.sh", "interpolate.cu", "numbers.cuh", "subject.cu", "voxelize.cu"] {
        std::fs::copy(root().join("examples/cuda_subject").join(name), source.join(name)).unwrap();
    }
    let text = std::fs::read_to_string(source.join("interpolate.cu")).unwrap();
    let wrong = text.replace(
        "    streams.count = static_cast<int>(args->stream_count);\n",
        "    streams.count = static_cast<int>(args->stream_count);\n    streams.items[0].x = nullptr;\n",
    );
    assert_ne!(wrong, text);
    std::fs::write(source.join("interpolate.cu"), wrong).unwrap();
    let library = compile::cuda(&source, &project.path("")).display().to_string();
    let ended = project.run(&["--subject", &library, "accuracy::", "--skip", "voxelize"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    for record in project.records().iter().filter(|record| !record.cell.name.contains("::b0_")) {
        match (record.cell.operator.as_str(), &record.verdict) {
            ("fuse", Verdict::Fail { reason }) => assert!(reason.contains("ILLEGAL_ADDRESS"), "{reason}"),
            ("resample", Verdict::Pass) => {}
            (_, other) => panic!("{}: {other:?}", record.cell.name),
        }
    }
}
