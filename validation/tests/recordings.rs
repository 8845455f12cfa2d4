//! Real recordings: a LiDAR scan and the ground truth of two trajectories.
//!
//! They carry terms of their own and are not part of the repository. `ROBOCACHE_DATA=FOLDER cargo test -p validation
//! --test recordings -- --ignored` runs these tests on a folder that has them.

use std::path::PathBuf;

use half::f16;
use robocache_core::{
    dtype::DType,
    parameters::{Parameters, Value},
};
use validation::dataset::{DATA_VARIABLE, DatasetFormat, DatasetSpec, Expectation, LoadedInputs, load, resolve};

const EUROC: (&str, DatasetFormat) = ("euroc_v1_02_groundtruth.csv", DatasetFormat::CsvNanoseconds);
const TUM: (&str, DatasetFormat) = ("tum_fr2_desk_groundtruth.txt", DatasetFormat::Tum);

fn spec(file: &str, format: DatasetFormat, operator: &str, word: (&str, &str)) -> (PathBuf, DatasetSpec) {
    let folder = std::env::var_os(DATA_VARIABLE).expect("ROBOCACHE_DATA names the folder of recordings");
    let spec = DatasetSpec {
        file: file.into(),
        format,
        operator: operator.into(),
        parameters: Parameters::new([(word.0.to_owned(), Value::Word(word.1.into()))]),
        rate_hz: Some(100.0),
        expect: Expectation::Accepted,
    };
    (resolve(folder.as_ref(), &spec.file).unwrap(), spec)
}

fn integer(loaded: &LoadedInputs, name: &str) -> i64 {
    match loaded.parameters.get(name) {
        Some(Value::Integer(value)) => *value,
        other => panic!("`{name}` is {other:?}"),
    }
}

#[test]
#[ignore = "needs recordings: set ROBOCACHE_DATA"]
fn the_lidar_scan_is_whole() {
    let (path, spec) = spec("lidar_scan.ply", DatasetFormat::Ply, "voxelize", ("mode", "mean"));
    let loaded = load(&path, &spec, DType::F16).unwrap();
    assert_eq!((integer(&loaded, "n"), integer(&loaded, "f")), (69_792, 1));
    assert!(loaded.inputs[0].as_slice::<f32>().iter().all(|coordinate| coordinate.is_finite()));
    let intensity = loaded.inputs[1].as_slice::<f16>();
    assert!(intensity.iter().all(|&value| (f16::ZERO..=f16::from_f32(187.0)).contains(&value)));
    assert!(intensity.contains(&f16::from_f32(187.0)));
}

#[test]
#[ignore = "needs recordings: set ROBOCACHE_DATA"]
fn epoch_nanoseconds_of_euroc_are_kept() {
    let (path, spec) = spec(EUROC.0, EUROC.1, "resample", ("times", "i64"));
    let loaded = load(&path, &spec, DType::F32).unwrap();
    assert_eq!(["b", "s", "d", "t"].map(|name| integer(&loaded, name)), [1, 16_702, 16, 8_351]);
    let times = loaded.inputs[1].as_slice::<i64>();
    assert_eq!((times[0], times[16_701]), (1_403_715_524_907_143_168, 1_403_715_608_412_143_104));
    assert_eq!(loaded.inputs[0].as_slice::<f32>()[..2], [0.515356, 1.996773]);
    let targets = loaded.inputs[2].as_slice::<i64>();
    assert!(targets.windows(2).all(|pair| pair[1] - pair[0] == 10_000_000));
}

#[test]
#[ignore = "needs recordings: set ROBOCACHE_DATA"]
fn decimal_seconds_of_tum_are_kept() {
    let (path, spec) = spec(TUM.0, TUM.1, "resample", ("times", "i64"));
    let loaded = load(&path, &spec, DType::Bf16).unwrap();
    assert_eq!(["b", "s", "d", "t"].map(|name| integer(&loaded, name)), [1, 20_957, 7, 9_937]);
    let times = loaded.inputs[1].as_slice::<i64>();
    assert_eq!((times[0], times[20_956]), (1_311_868_163_869_700_000, 1_311_868_263_234_200_000));
    assert!(times.iter().all(|time| time % 100_000 == 0), "the file has four decimals");
}

#[test]
#[ignore = "needs recordings: set ROBOCACHE_DATA"]
fn neither_trajectory_can_be_forced_into_f32_epoch_seconds() {
    for (file, format) in [EUROC, TUM] {
        let (path, spec) = spec(file, format, "resample", ("times", "f32"));
        let error = load(&path, &spec, DType::F32).unwrap_err();
        assert_eq!(error.kind(), "times_lose_resolution");
        assert!(error.to_string().contains("f32 seconds of that size are 128 s apart"), "{error}");
        println!("{error}");
    }
}
