//! RoboCache's operators.

mod arguments;
mod definition;
mod exact;
pub mod fuse;
mod interpolate;
pub mod resample;
mod rows;
pub mod times;
pub mod voxelize;

pub use definition::Definition;

use crate::registry::Registry;

/// RoboCache's own operators: `resample`, `fuse` and `voxelize`.
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    let registered = registry
        .register(resample::Resample)
        .and_then(|()| registry.register(fuse::Fuse))
        .and_then(|()| registry.register(voxelize::Voxelize));
    registered.expect("their names differ");
    registry
}
