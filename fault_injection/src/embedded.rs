//! What `build.rs` found: names of files and their contents.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
