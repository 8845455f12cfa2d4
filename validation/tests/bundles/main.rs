//! Bundles as files: the same bytes for the same content, and nothing believed that is not checked.

#[path = "../evidence/fixture.rs"]
#[allow(dead_code, reason = "other programs use the rest of it")]
mod fixture;
mod format;
mod likeness;
mod mutation;
mod readers;
mod refusals;
mod sample;
