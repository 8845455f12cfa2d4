//! Kinds of defects that kernels have.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($variant:ident = $name:literal, $description:literal;)*) => {
        /// A kind of defect. The list is that of the defects that a kernel harness must catch, with cheats at its end:
        /// answers that were not computed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $(
                #[doc = $description]
                #[serde(rename = $name)]
                $variant,
            )*
        }

        impl Kind {
            /// Every kind, in the order in which documents list them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name that patch files use.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// One sentence on what is wrong.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description),* }
            }
        }
    };
}

kinds! {
    ClampMissing = "clamp_missing", "The clamp past either end of a sequence is missing.";
    SearchOffByOne = "search_off_by_one", "The search is off by one, which shows exactly at knots.";
    UnwrittenTail = "unwritten_tail", "The tail of a loop over vectors, rows or a grid is not written.";
    IndexOverflow = "index_overflow", "An index overflows an integer that is too narrow for it.";
    TruncationForFloor = "truncation_for_floor", "Negative coordinates are truncated instead of floored.";
    AxisSwap = "axis_swap", "Two axes, or two layouts, are taken for each other.";
    StrideIgnored = "stride_ignored", "A row is taken to be as wide as its contents.";
    UpperEdgeKept = "upper_edge_kept", "A half-open interval keeps its upper edge.";
    EmptyInput = "empty_input", "An empty input is refused, or leaves outputs unwritten.";
    MisalignedAccess = "misaligned_access", "A wide access is made at an address that is not aligned for it.";
    ForeignTimes = "foreign_times", "The times of another sequence or stream are used.";
    WeightsSwapped = "weights_swapped", "The weights of the two neighbours are swapped.";
    DuplicateTimes = "duplicate_times", "Equal neighbouring times divide by zero, or the wrong one of them wins.";
    EpochTimesThroughF32 = "epoch_times_through_f32", "Nanoseconds are rounded to f32 before they are subtracted.";
    HalfAccumulation = "half_accumulation", "Sums or products are kept in a format that is too narrow.";
    TruncatingStore = "truncating_store", "A store drops bits instead of rounding to nearest, ties to even.";
    Contraction = "contraction", "A multiplication and an addition are contracted to one rounding.";
    ApproximateDivision = "approximate_division", "A division is a multiplication with a rounded reciprocal.";
    SubnormalFlush = "subnormal_flush", "Subnormal numbers are flushed to zero.";
    NanSwallowed = "nan_swallowed", "A NaN is lost, or keeps bits that are not the canonical ones.";
    ZeroTimesInfinity = "zero_times_infinity", "A copy is computed with weight zero: zero times infinity is NaN.";
    SignedZeroOrder = "signed_zero_order", "Zeros of different sign are taken to be the same.";
    MaxStartedAtZero = "max_started_at_zero", "A maximum starts at a value that inputs can be below.";
    WrongDivisor = "wrong_divisor", "A mean is divided by another number than that of its summands.";
    AccumulatorOverflow = "accumulator_overflow", "An accumulator is too small for what it accumulates.";
    FloatSumOrder = "float_sum_order", "A rounded sum depends on the order of its summands.";
    LostUpdate = "lost_update", "Two threads read, change and write the same element.";
    MissingBarrier = "missing_barrier", "A thread reads what another has not yet written.";
    WrongShuffleMask = "wrong_shuffle_mask", "Lanes exchange values with lanes that do not take part.";
    RaceBetweenBlocks = "race_between_blocks", "A part of the work undoes what another has done.";
    FirstArrival = "first_arrival", "The result depends on which of several inputs comes first.";
    UninitialisedOutput = "uninitialised_output", "An output keeps what its memory held before.";
    StaleAccumulator = "stale_accumulator", "An accumulator is not cleared for the second call.";
    StaleCache = "stale_cache", "Something is kept for later calls by an address or a shape, not by its contents.";
    InputMutated = "input_mutated", "An input is changed.";
    WritePastEnd = "write_past_end", "Something beside an output is written.";
    ChangesAfterCalls = "changes_after_calls", "The behaviour changes after some calls, or from process to process.";
    MissingEvent = "missing_event", "Work on one stream does not wait for work on another.";
    ErrorSwallowed = "error_swallowed", "Something failed, and the call says that it succeeded.";
    ExtraLaunch = "extra_launch", "A call launches, copies or sets more than it must.";
    RankOrder = "rank_order", "A rank is dropped, or the result depends on the order of ranks.";
    Cheat = "cheat", "The answer was not computed.";
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A word that names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind `{0}`; docs/mutants.md lists them")]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        Self::ALL.iter().copied().find(|kind| kind.name() == word).ok_or_else(|| UnknownKind(word.to_owned()))
    }
}
