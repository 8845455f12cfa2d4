//! CUPTI: records of what the driver was asked and of what a GPU executed.
//!
//! The library is found at run time ([`Cupti::load`]); its functions are taken from the library that was found, one by
//! one, so that a missing one is an error. A [`Trace`] turns the recording on and off, and makes a
//! [`crate::census::Census`] of what happens in between. CUPTI hands its records over in buffers, from threads of its
//! own (`buffers`); `record` reads them by layouts that all supported versions share, and `calls` says what an API call
//! means for whoever waits for it.

mod buffers;
mod calls;
mod error;
mod library;
mod record;
mod trace;

pub use error::CuptiError;
pub use library::Cupti;
pub use trace::Trace;
