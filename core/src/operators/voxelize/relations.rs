//! Changes of a cloud that change nothing.

use super::VoxelizeProblem;
use crate::{
    generate::shuffle,
    operator::{Relation, RunError, RunProblem},
    operators::rows::gather_rows,
    random::Seed,
    tensor::HostTensor,
};

/// Points in another order, each with its features, give the same voxels.
pub(super) struct PermutedPoints<'a>(pub(super) &'a VoxelizeProblem);

impl Relation for PermutedPoints<'_> {
    fn name(&self) -> &'static str {
        "permuted_points"
    }

    fn follow_up(&self, inputs: &[HostTensor], seed: Seed, run: RunProblem<'_>) -> Result<Vec<HostTensor>, RunError> {
        let mut order: Vec<usize> = (0..self.0.shape().points).collect();
        shuffle(&mut order, &mut seed.generator());
        let permuted: Vec<_> = inputs.iter().map(|input| gather_rows(input, 1, &order)).collect();
        run(self.0, &permuted)
    }
}
