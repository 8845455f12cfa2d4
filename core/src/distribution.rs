//! Names of the ways in which inputs are generated.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! distributions {
    ($($variant:ident = $name:literal, $description:literal;)*) => {
        /// A way to generate inputs. What it means for an operator's inputs is the operator's to say; the name and the
        /// seed alone decide every byte.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Distribution {
            $(
                #[doc = $description]
                #[serde(rename = $name)]
                $variant,
            )*
        }

        impl Distribution {
            /// Every distribution, in the order in which help texts list them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name used in the matrix and in cell names.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// One sentence on what is generated.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description),* }
            }
        }
    };
}

distributions! {
    Uniform = "uniform", "Values uniform in [-1, 1); times evenly spaced with jitter; points uniform over the grid and a little beyond.";
    WideExponents = "wide_exponents", "Values with exponents uniform over the finite range of the dtype, subnormals included.";
    CancellingPairs = "cancelling_pairs", "Neighbouring values of nearly equal magnitude and opposite sign, so that sums cancel.";
    IntegerValued = "integer_valued", "Small integers and dyadic times, for which every correct implementation is exact.";
    Midpoints = "midpoints", "Values of one binade and targets half way between them, so that results are ties between two neighbours of the dtype.";
    SpecialValues = "special_values", "NaN of many payloads, infinities, both zeros and subnormals, in every position.";
    DuplicatedTimes = "duplicated_times", "Runs of equal source times, and targets exactly on them.";
    ClusteredTimes = "clustered_times", "Bursts of samples a few ULPs apart between long gaps, targets inside both and past both ends.";
    EpochTimes = "epoch_times", "Times of the size of a recorded log's: nanoseconds since 1970, or the largest f32 seconds that still resolve the spacing.";
    ClusteredCloud = "clustered_cloud", "Points in a few dense clusters, as a LiDAR sees walls.";
    OneVoxel = "one_voxel", "All points in one voxel.";
    OutsideGrid = "outside_grid", "Points on and beyond every face of the grid, at huge coordinates, infinite and NaN.";
}

impl fmt::Display for Distribution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A word that names no distribution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown distribution `{0}`")]
pub struct UnknownDistribution(pub String);

impl FromStr for Distribution {
    type Err = UnknownDistribution;

    fn from_str(word: &str) -> Result<Self, UnknownDistribution> {
        Self::ALL
            .iter()
            .copied()
            .find(|distribution| distribution.name() == word)
            .ok_or_else(|| UnknownDistribution(word.to_owned()))
    }
}
