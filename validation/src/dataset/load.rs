//! From a file to the inputs of an operator.

use std::path::Path;

use robocache_core::dtype::DType;

use super::{
    delimited,
    error::{DatasetError, Fault, Flaw, Place},
    file,
    loaded::LoadedInputs,
    ply,
    spec::{DatasetFormat, DatasetSpec},
};

/// Reads the recording at `path` as `spec` says, for a problem of `dtype`.
///
/// A trajectory decides the arguments `b` (1), `s`, `d` and `t` of `resample`; a cloud decides `n` and, where the mode
/// takes features, `f` of `voxelize`. With them the operator makes the problem that takes these inputs.
pub fn load(path: &Path, spec: &DatasetSpec, dtype: DType) -> Result<LoadedInputs, DatasetError> {
    // What needs no file is checked first.
    let operator = operator_of(spec.format);
    let specification = check_dtype(dtype).and_then(|()| check_specification(spec, operator));
    specification.map_err(|fault| Place::File.holds(fault).in_file(path))?;
    let bytes = file::read(path)?;
    inputs(&bytes, spec, dtype).map_err(|flaw| flaw.in_file(path))
}

fn inputs(bytes: &[u8], spec: &DatasetSpec, dtype: DType) -> Result<LoadedInputs, Flaw> {
    let trajectory = match spec.format {
        DatasetFormat::Ply => return ply::parse(bytes)?.voxelize_inputs(&spec.parameters, dtype),
        DatasetFormat::CsvNanoseconds => delimited::parse_csv_nanoseconds(bytes)?,
        DatasetFormat::Tum => delimited::parse_tum(bytes)?,
    };
    trajectory.resample_inputs(&spec.parameters, spec.rate_hz, dtype)
}

/// The operator that a format feeds, and the arguments that the recording decides.
struct Fed {
    operator: &'static str,
    decided: &'static [&'static str],
}

fn operator_of(format: DatasetFormat) -> Fed {
    match format {
        DatasetFormat::Ply => Fed { operator: "voxelize", decided: &["n", "f"] },
        DatasetFormat::CsvNanoseconds | DatasetFormat::Tum => {
            Fed { operator: "resample", decided: &["b", "s", "d", "t"] }
        }
    }
}

fn check_specification(spec: &DatasetSpec, fed: Fed) -> Result<(), Fault> {
    if spec.operator != fed.operator {
        return Err(Fault::WrongSpecification(format!(
            "a recording of this format feeds `{}`, not `{}`",
            fed.operator, spec.operator
        )));
    }
    match fed.decided.iter().find(|&name| spec.parameters.get(name).is_some()) {
        Some(name) => Err(Fault::WrongSpecification(format!("`{name}` is given, but the recording decides it"))),
        None => Ok(()),
    }
}

fn check_dtype(dtype: DType) -> Result<(), Fault> {
    match dtype {
        DType::F32 | DType::F16 | DType::Bf16 => Ok(()),
        DType::I32 | DType::I64 => {
            Err(Fault::WrongSpecification(format!("the dtype is {dtype}, but recorded values are floating-point")))
        }
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;
    use robocache_core::parameters::{Parameters, Value};

    use super::*;
    use crate::dataset::Expectation;

    const PLY: &str = "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty float z\n\
        property float intensity\nend_header\n1 2 3 0.5\nnan 0 0 1.00390625001\n";
    const CSV: &str = "# ns, x, y\n1403715524900000000,1,2\n1403715524925000000,3,4\n";
    const TUM: &str = "0.00 1\n0.02 2\n0.03 3\n";

    fn word(word: &str) -> Value {
        Value::Word(word.into())
    }

    fn spec(format: DatasetFormat, operator: &str, parameters: &[(&str, Value)]) -> DatasetSpec {
        DatasetSpec {
            file: "recording".into(),
            format,
            operator: operator.into(),
            parameters: Parameters::new(parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone()))),
            rate_hz: Some(100.0),
            expect: Expectation::Accepted,
        }
    }

    fn loaded(text: &str, spec: &DatasetSpec, dtype: DType) -> Result<LoadedInputs, DatasetError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(&spec.file);
        std::fs::write(&path, text).unwrap();
        load(&path, spec, dtype)
    }

    fn integers(loaded: &LoadedInputs, names: &[&str]) -> Vec<Option<Value>> {
        names.iter().map(|name| loaded.parameters.get(name).cloned()).collect()
    }

    #[test]
    fn a_cloud_decides_points_and_features() {
        let spec = spec(DatasetFormat::Ply, "voxelize", &[("mode", word("mean")), ("voxel_size", Value::Number(0.5))]);
        let loaded = loaded(PLY, &spec, DType::Bf16).unwrap();
        assert_eq!(integers(&loaded, &["n", "f"]), [Some(Value::Integer(2)), Some(Value::Integer(1))]);
        assert_eq!(loaded.parameters.get("voxel_size"), Some(&Value::Number(0.5)));
        assert_eq!(loaded.inputs.len(), 2);
        assert_eq!(loaded.inputs[0].shape().extents(), [2, 3]);
        assert_eq!(loaded.inputs[0].as_slice::<f32>()[..3], [1.0, 2.0, 3.0]);
        assert!(loaded.inputs[0].as_slice::<f32>()[3].is_nan());
        assert_eq!(loaded.inputs[1].shape().extents(), [2, 1]);
        assert_eq!(loaded.inputs[1].as_slice::<bf16>()[0], bf16::from_f32(0.5));
    }

    #[test]
    fn counting_takes_no_features() {
        let spec = spec(DatasetFormat::Ply, "voxelize", &[("mode", word("count"))]);
        let loaded = loaded(PLY, &spec, DType::F32).unwrap();
        assert_eq!(integers(&loaded, &["n", "f"]), [Some(Value::Integer(2)), None]);
        assert_eq!(loaded.inputs.len(), 1);
    }

    #[test]
    fn a_trajectory_keeps_its_epoch_nanoseconds() {
        let spec = spec(DatasetFormat::CsvNanoseconds, "resample", &[]);
        let loaded = loaded(CSV, &spec, DType::F32).unwrap();
        let expected = [1, 2, 2, 3].map(|extent| Some(Value::Integer(extent)));
        assert_eq!(integers(&loaded, &["b", "s", "d", "t"]), expected);
        assert_eq!(loaded.parameters.get("times"), Some(&word("i64")));
        assert_eq!(loaded.inputs[0].shape().extents(), [1, 2, 2]);
        assert_eq!(loaded.inputs[0].as_slice::<f32>(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(loaded.inputs[1].as_slice::<i64>(), [1_403_715_524_900_000_000, 1_403_715_524_925_000_000]);
        let targets = [1_403_715_524_900_000_000, 1_403_715_524_910_000_000, 1_403_715_524_920_000_000];
        assert_eq!(loaded.inputs[2].as_slice::<i64>(), targets);
    }

    #[test]
    fn epoch_times_are_not_squeezed_into_f32() {
        let spec = spec(DatasetFormat::CsvNanoseconds, "resample", &[("times", word("f32"))]);
        let error = loaded(CSV, &spec, DType::F32).unwrap_err();
        assert_eq!((error.kind(), error.flaw.place), ("times_lose_resolution", Place::Line(3)));
    }

    #[test]
    fn relative_times_may_be_f32() {
        let spec = spec(DatasetFormat::Tum, "resample", &[("times", word("f32"))]);
        let loaded = loaded(TUM, &spec, DType::F16).unwrap();
        assert_eq!(loaded.parameters.get("times"), Some(&word("f32")));
        assert_eq!(loaded.inputs[1].as_slice::<f32>(), [0.0, 0.02, 0.03]);
        assert_eq!(loaded.inputs[2].as_slice::<f32>(), [0.0, 0.01, 0.02, 0.03]);
    }

    #[test]
    fn a_specification_that_makes_no_problem_is_refused() {
        let trajectory = |parameters: &[(&str, Value)]| spec(DatasetFormat::Tum, "resample", parameters);
        let without_rate = DatasetSpec { rate_hz: None, ..trajectory(&[]) };
        for (text, spec, dtype) in [
            (TUM, without_rate, DType::F32),
            (TUM, trajectory(&[("times", word("f64"))]), DType::F32),
            (TUM, trajectory(&[("s", Value::Integer(3))]), DType::F32),
            (TUM, trajectory(&[]), DType::I64),
            (TUM, spec(DatasetFormat::Tum, "voxelize", &[]), DType::F32),
            (PLY, spec(DatasetFormat::Ply, "voxelize", &[]), DType::F32),
            (PLY, spec(DatasetFormat::Ply, "voxelize", &[("mode", word("median"))]), DType::F32),
        ] {
            assert_eq!(loaded(text, &spec, dtype).unwrap_err().kind(), "wrong_specification", "{spec:?}");
        }
        let bare =
            PLY.replace("property float intensity\n", "").replace(" 0.5\n", "\n").replace(" 1.00390625001\n", "\n");
        let mean = spec(DatasetFormat::Ply, "voxelize", &[("mode", word("mean"))]);
        assert_eq!(loaded(&bare, &mean, DType::F32).unwrap_err().kind(), "wrong_columns");
    }

    #[test]
    fn errors_name_the_file() {
        let spec = spec(DatasetFormat::Tum, "resample", &[]);
        let error = loaded("0 1\nnan 2\n", &spec, DType::F32).unwrap_err();
        assert!(error.to_string().ends_with("recording:2: the time `nan` is not a finite number"), "{error}");
    }
}
