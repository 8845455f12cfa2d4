//! Bundles as files: the same bytes for the same content, and nothing believed that is not checked.

mod format;
mod likeness;
mod mutation;
mod readers;
mod refusals;
mod sample;
