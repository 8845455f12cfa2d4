//! A recorded point cloud and the voxelize problem that it makes.

use robocache_core::{
    dtype::DType,
    parameters::{Parameters, Value},
    tensor::{HostTensor, TensorSpec},
};

use super::{
    error::{Fault, Flaw, Place},
    loaded::LoadedInputs,
    rounding::rounded_tensor,
};

/// Points and their features. Any value may be NaN or infinite: operators say what becomes of such points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cloud {
    /// Names of the `F` features.
    pub features: Vec<String>,
    /// `N * 3` coordinates, point by point, in the unit of the file.
    pub points: Vec<f64>,
    /// `N * F` features, point by point.
    pub values: Vec<f64>,
}

impl Cloud {
    /// The inputs `points[N,3]` and, where the mode takes them, `features[N,F]` of `voxelize`, and the arguments `n`
    /// and `f` beside those of the matrix.
    pub(super) fn voxelize_inputs(&self, matrix: &Parameters, dtype: DType) -> Result<LoadedInputs, Flaw> {
        let takes_features = match matrix.get("mode") {
            Some(Value::Word(mode)) if mode == "count" || mode == "occupancy" => false,
            Some(Value::Word(mode)) if mode == "mean" || mode == "max" => true,
            Some(Value::Word(_) | Value::Integer(_) | Value::Number(_) | Value::List(_)) | None => {
                let message = "`mode` must be `count`, `occupancy`, `mean` or `max`";
                return Err(Place::File.holds(Fault::WrongSpecification(message.into())));
            }
        };
        let count = self.points.len() / 3;
        let spec = |name: &str, dtype: DType, extents: [usize; 2]| {
            // Limits of the file keep every extent far below what can be addressed.
            TensorSpec::new(name, dtype, extents).expect("a recording within its limits is addressable")
        };
        let mut parameters = matrix.clone();
        parameters.set("n", Value::Integer(count as i64));
        let mut inputs: Vec<HostTensor> = vec![rounded_tensor(spec("points", DType::F32, [count, 3]), &self.points)];
        if takes_features {
            if self.features.is_empty() {
                let message = "the points have no property beside x, y and z, but `mean` and `max` need features";
                return Err(Place::File.holds(Fault::WrongColumns(message.into())));
            }
            parameters.set("f", Value::Integer(self.features.len() as i64));
            inputs.push(rounded_tensor(spec("features", dtype, [count, self.features.len()]), &self.values));
        }
        Ok(LoadedInputs { parameters, inputs })
    }
}
