//! Extents of a voxelize problem.

use std::fmt::Write;

use crate::{
    dtype::DType,
    operators::arguments::Arguments,
    parameters::{InvalidParameter, ParameterKind, ParameterSpec},
    tensor::TensorSpec,
};

/// What is computed for each voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VoxelMode {
    /// The number of points: i32.
    Count,
    /// 1 where there is a point, else 0: i32.
    Occupancy,
    /// The correctly rounded mean of each feature: f32.
    Mean,
    /// The IEEE 754-2019 `maximum` of each feature: f32.
    Max,
}

impl VoxelMode {
    /// Every mode, in the order of [`VoxelMode::WORDS`].
    pub const ALL: [Self; 4] = [Self::Count, Self::Occupancy, Self::Mean, Self::Max];

    /// The words of the matrix.
    pub const WORDS: &'static [&'static str] = &["count", "occupancy", "mean", "max"];

    /// Whether features are an input.
    pub const fn takes_features(self) -> bool {
        match self {
            Self::Count | Self::Occupancy => false,
            Self::Mean | Self::Max => true,
        }
    }

    /// The word of the matrix, also used in cell names and kernel symbols.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Occupancy => "occupancy",
            Self::Mean => "mean",
            Self::Max => "max",
        }
    }
}

/// `points[N,3] (f32), features[N,F] -> voxels[X,Y,Z] (i32) or [X,Y,Z,F] (f32), dropped[1] (i64)`.
///
/// Cell = `floor((p - origin) / size)` with IEEE f32 subtraction and division; a point is kept when
/// `0 <= cell < grid` on all axes; `dropped` counts the others. `count` and `occupancy` take no features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoxelizeShape {
    /// `N`: points; may be 0, at most `i32::MAX`.
    pub points: usize,
    /// `F`: features of each point; at least 1 and at most `i32::MAX` where the mode takes features, else 0.
    pub features: usize,
    /// `X, Y, Z`: extents of the grid, each between 1 and `i32::MAX`; x is slowest.
    pub grid: [usize; 3],
    /// What is computed.
    pub mode: VoxelMode,
    /// The corner of voxel `[0, 0, 0]`, in the unit of the points; finite.
    pub origin: [f32; 3],
    /// The edge of a voxel, in the unit of the points; positive and finite.
    pub voxel_size: f32,
}

/// Where the grid begins unless the matrix says otherwise.
const DEFAULT_ORIGIN: [f32; 3] = [0.0; 3];

/// The edge of a voxel unless the matrix says otherwise.
const DEFAULT_VOXEL_SIZE: f32 = 0.1;

pub(super) const PARAMETERS: &[ParameterSpec] = &[
    ParameterSpec {
        name: "n",
        kind: ParameterKind::Integer { minimum: 0 },
        required: true,
        description: "N: points, at most 2^31 - 1.",
    },
    ParameterSpec {
        name: "f",
        kind: ParameterKind::Integer { minimum: 1 },
        required: false,
        description: "F: features of each point; required for mean and max, and not taken by count and occupancy.",
    },
    ParameterSpec {
        name: "grid",
        kind: ParameterKind::Integers { length: 3 },
        required: true,
        description: "X, Y, Z: voxels along each axis, each between 1 and 2^31 - 1; x is slowest in memory.",
    },
    ParameterSpec {
        name: "mode",
        kind: ParameterKind::Word(VoxelMode::WORDS),
        required: true,
        description: "What is computed for each voxel.",
    },
    ParameterSpec {
        name: "origin",
        kind: ParameterKind::Numbers { length: 3 },
        required: false,
        description: "The corner of voxel [0, 0, 0], in the unit of the points; [0, 0, 0] by default.",
    },
    ParameterSpec {
        name: "voxel_size",
        kind: ParameterKind::Number,
        required: false,
        description: "The edge of a voxel, in the unit of the points, positive; 0.1 by default.",
    },
];

/// Inputs and outputs of one problem, in its order.
pub(super) struct Tensors {
    pub(super) inputs: Vec<TensorSpec>,
    pub(super) outputs: Vec<TensorSpec>,
}

impl VoxelizeShape {
    /// The extents that `arguments` say, each within its rule.
    pub(super) fn from_parameters(arguments: &Arguments<'_>) -> Result<Self, InvalidParameter> {
        let largest = i64::from(i32::MAX);
        let mode = VoxelMode::ALL[arguments.word("mode", VoxelMode::WORDS)?];
        let features = match (mode.takes_features(), arguments.optional("f")) {
            (true, _) => arguments.extent("f", 1, largest)?,
            (false, None) => 0,
            (false, Some(value)) => {
                return Err(arguments.invalid("f", value, format!("{} takes no features; leave it out", mode.name())));
            }
        };
        let voxel_size = arguments.number("voxel_size", DEFAULT_VOXEL_SIZE)?;
        if voxel_size <= 0.0 {
            let value = arguments.optional("voxel_size").map_or_else(String::new, ToString::to_string);
            return Err(arguments.invalid("voxel_size", value, "must be positive and finite in f32"));
        }
        Ok(Self {
            points: arguments.extent("n", 0, largest)?,
            features,
            grid: arguments.extents("grid", 1, largest)?,
            mode,
            origin: arguments.numbers("origin", DEFAULT_ORIGIN)?,
            voxel_size,
        })
    }

    /// The tensors, unless one of them cannot be addressed.
    pub(super) fn tensors(&self, arguments: &Arguments<'_>, dtype: DType) -> Result<Tensors, InvalidParameter> {
        let Self { points, features, grid: [x, y, z], mode, .. } = *self;
        let mut inputs = vec![arguments.tensor("n", "points", DType::F32, [points, 3])?];
        let voxels = if mode.takes_features() {
            inputs.push(arguments.tensor("f", "features", dtype, [points, features])?);
            arguments.tensor("grid", "voxels", DType::F32, [x, y, z, features])?
        } else {
            arguments.tensor("grid", "voxels", DType::I32, [x, y, z])?
        };
        Ok(Tensors { inputs, outputs: vec![voxels, arguments.tensor("n", "dropped", DType::I64, [1])?] })
    }

    /// The part of a cell's name that stands for this shape. Origin and voxel size appear where they are not the
    /// default.
    pub(super) fn name(&self) -> String {
        let Self { points, features, grid: [x, y, z], mode, origin, voxel_size } = *self;
        let mut name = format!("{}_n{points}", mode.name());
        if mode.takes_features() {
            let _ = write!(name, "_f{features}");
        }
        let _ = write!(name, "_{x}x{y}x{z}");
        if origin.map(f32::to_bits) != DEFAULT_ORIGIN.map(f32::to_bits) {
            let [x, y, z] = origin.map(short);
            let _ = write!(name, "_origin{x}x{y}x{z}");
        }
        if voxel_size != DEFAULT_VOXEL_SIZE {
            let _ = write!(name, "_size{}", short(voxel_size));
        }
        name
    }
}

/// The shortest decimal that reads back as the same f32, with an exponent where plain digits would be many.
fn short(number: f32) -> String {
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-4..1e7).contains(&magnitude) { number.to_string() } else { format!("{number:e}") }
}
