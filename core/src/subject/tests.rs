//! The header and this crate say the same, and an example made from the header alone gives the bits of this crate.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{SubjectError, abi, layout, library::Subject};
use crate::{
    cpu::CpuOptions,
    distribution::Distribution,
    dtype::DType,
    operator::Problem,
    operators::{self, times::TimeKind, voxelize::VoxelMode},
    parameters::{Parameters, Value},
    random::Seed,
    registry::Registry,
    tensor::HostTensor,
};

/// Version 1, as it was released. Never change it: a subject of that version is out there. A new version is a new text.
const VERSION_1: &str = include_str!("version_1.txt");

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn compile(arguments: &[&str]) {
    let include = format!("-I{}", folder("core/include").display());
    let built = Command::new("cc").arg(include).args(arguments).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

/// What a C program prints that includes the header.
fn printed_by_c(statements: &str) -> String {
    let place = tempfile::tempdir().unwrap();
    let (source, program) = (place.path().join("print.c"), place.path().join("print"));
    let text = format!("#include \"robocache_subject.h\"\n#include <stdio.h>\nint main(void) {{\n{statements}}}\n");
    fs::write(&source, text).unwrap();
    compile(&["-std=c99", "-pedantic", "-Wall", "-Werror", source.to_str().unwrap(), "-o", program.to_str().unwrap()]);
    String::from_utf8(Command::new(program).output().unwrap().stdout).unwrap()
}

#[test]
fn a_c_compiler_lays_the_structs_out_as_this_crate_does() {
    let mut statements = String::new();
    for line in layout::text().lines() {
        let (name, _) = line.split_once(' ').unwrap();
        let number = match name.split_once('.') {
            None => format!("sizeof(struct {name})"),
            Some((name, field)) => format!("offsetof(struct {name}, {field})"),
        };
        let _ = writeln!(statements, "printf(\"{name} %zu\\n\", {number});");
    }
    assert_eq!(printed_by_c(&statements), layout::text());
}

#[test]
fn version_1_stays_what_it_was() {
    let now: BTreeMap<_, _> = layout::text().lines().map(|line| line.split_once(' ').unwrap()).map(owned).collect();
    for line in VERSION_1.lines() {
        let (name, number) = owned(line.split_once(' ').unwrap());
        let found = now.get(&name).unwrap_or_else(|| panic!("`{name}` is gone"));
        if name.contains('.') {
            assert_eq!(found, &number, "`{name}` has moved");
        } else {
            assert!(found.parse::<u64>().unwrap() >= number.parse().unwrap(), "`{name}` has shrunk");
        }
    }
    let sizes = &abi::SIZES[0];
    for (name, size) in [
        ("rc_resample_args", sizes.resample_args),
        ("rc_fuse_args", sizes.fuse_args),
        ("rc_voxelize_args", sizes.voxelize_args),
        ("rc_stream", sizes.stream),
    ] {
        assert!(VERSION_1.lines().any(|line| line == format!("{name} {size}")), "{name}");
    }
}

fn owned((name, number): (&str, &str)) -> (String, String) {
    (name.to_owned(), number.to_owned())
}

#[test]
fn constants_have_the_same_values() {
    let mut statements = String::new();
    let mut expected = String::new();
    let mut constant = |name: &str, value: u32| {
        let _ = writeln!(statements, "printf(\"{name} %d\\n\", (int)({name}));");
        let _ = writeln!(expected, "{name} {value}");
    };
    constant("RC_SUBJECT_ABI_VERSION", abi::ABI_VERSION);
    constant("RC_MAX_STREAMS", operators::fuse::MAX_STREAMS as u32);
    constant("RC_DEVICE_CPU", abi::DEVICE_CPU);
    constant("RC_DEVICE_CUDA", abi::DEVICE_CUDA);
    for dtype in [DType::F32, DType::F16, DType::Bf16, DType::I32, DType::I64] {
        constant(&format!("RC_{}", dtype.name().to_uppercase()), abi::dtype(dtype));
    }
    for mode in VoxelMode::ALL {
        constant(&format!("RC_VOXEL_{}", mode.name().to_uppercase()), abi::mode(mode));
    }
    assert_eq!(abi::times(TimeKind::I64Nanoseconds), abi::dtype(DType::I64));
    for status in 0..4 {
        constant(&abi::status_name(status), status as u32);
    }
    assert_eq!(printed_by_c(&statements), expected);
}

#[test]
fn the_header_is_cpp_too() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("subject.cpp");
    fs::write(&source, "#include \"robocache_subject.h\"\nRC_SUBJECT(RC_DEVICE_CUDA, \"mine\", \"1\");\n").unwrap();
    let object = place.path().join("subject.o");
    let [source, object] = [&source, &object].map(|path| path.to_str().unwrap());
    compile(&["-x", "c++", "-std=c++17", "-pedantic", "-Wall", "-Wextra", "-Werror", "-c", source, "-o", object]);
}

/// examples/c_subject, compiled.
fn example(place: &Path) -> PathBuf {
    let built = Command::new(folder("examples/c_subject/build.sh")).arg(place).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    place.join("libc_subject.so")
}

fn problem(registry: &Registry, operator: &str, arguments: &[(&str, Value)]) -> Box<dyn Problem> {
    let parameters = Parameters::new(arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    registry.get(operator).unwrap().problem(DType::F32, &parameters).unwrap()
}

fn run(problem: &dyn Problem, inputs: &[HostTensor]) -> Vec<HostTensor> {
    let mut outputs: Vec<_> = problem.outputs().into_iter().map(|spec| HostTensor::poisoned(spec, 0xFF)).collect();
    problem.run_cpu(inputs, &mut outputs, CpuOptions::default()).unwrap();
    outputs
}

#[test]
fn a_subject_takes_the_place_of_the_implementation_and_of_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let subject = Subject::load(&example(place.path()), None).unwrap();
    assert_eq!(subject.description().operators, ["resample", "fuse", "voxelize"]);
    let builtin = operators::registry();
    let registry = subject.registry(&builtin);
    let list = |numbers: &[i64]| Value::List(numbers.iter().map(|&number| Value::Integer(number)).collect());
    let streams = Value::List(vec![list(&[9, 3]), list(&[4, 2])]);
    let (b, t) = (("b", Value::Integer(2)), ("t", Value::Integer(7)));
    let fuse = [b, t, ("streams", streams)];
    let mean = [
        ("n", Value::Integer(100)),
        ("f", Value::Integer(3)),
        ("grid", list(&[2, 3, 4])),
        ("mode", Value::Word("mean".to_owned())),
    ];
    for (operator, arguments) in [("fuse", &fuse[..]), ("voxelize", &mean)] {
        let (theirs, ours) = (problem(&registry, operator, arguments), problem(&builtin, operator, arguments));
        assert_eq!((theirs.name(), theirs.inputs(), theirs.outputs()), (ours.name(), ours.inputs(), ours.outputs()));
        assert!(!theirs.obeys_cpu_options() && theirs.cuda().is_none());
        assert!(theirs.builtin().is_some() && ours.builtin().is_none());
        let inputs = ours.generate(Distribution::SpecialValues, Seed::root(3));
        let expected = run(&*ours, &inputs);
        for (actual, expected) in run(&*theirs, &inputs).iter().zip(&expected) {
            assert_eq!(actual.bytes(), expected.bytes(), "{operator} {}", actual.name());
        }
        for relation in theirs.relations() {
            let mut runs = 0;
            let outputs = relation.follow_up(&inputs, Seed::root(4), &mut |related, inputs| {
                runs += 1;
                assert!(related.builtin().is_some(), "the subject computes what is related, too");
                Ok(run(related, inputs))
            });
            assert_eq!(outputs.unwrap()[0].bytes(), expected[0].bytes(), "{}", relation.name());
            assert!(runs > 0);
        }
    }
}

#[test]
fn another_file_than_was_asked_for_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let library = example(place.path());
    let hash = blake3::hash(&fs::read(&library).unwrap()).to_hex().to_string();
    assert!(Subject::load(&library, Some(&hash)).is_ok());
    let error = Subject::load(&library, Some(&"0".repeat(64))).err().unwrap();
    assert!(matches!(error, SubjectError::Replaced { .. }), "{error}");
    assert!(error.to_string().contains("replaced while it was in use"), "{error}");
}
