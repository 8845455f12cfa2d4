//! Random inputs: the seed alone decides every byte, on every machine and for any number of threads.
//!
//! Only integer operations and IEEE additions, multiplications and divisions are used: a logarithm or a sine would
//! give other bits with another mathematical library.

mod blocks;
mod times;
mod values;

pub(crate) use blocks::{below, fill, fill_rows, shuffle, unit};
pub(crate) use times::{TimeAxis, fill_source_times, fill_target_times};
pub(crate) use values::{Pattern, fill_cancelling, integer, of_one_binade, special, uniform, wide_exponent};
