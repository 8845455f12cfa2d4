//! What others build upon: the public Rust interface of each crate, and the C header of subjects. A change of either
//! is a changed snapshot, which whoever reviews it sees: `cargo insta review`, or look at the difference in
//! `snapshots/`.

mod c_header;
mod rust;
